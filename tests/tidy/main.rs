//! The fences of the project's map and style, as tests: each reads the tree and names every place that breaks a rule.
//! Each fence is itself tested with text that breaks it.

mod rooms;
mod shape;
mod source;
mod statuses;
mod texts;
mod usage;

use source::{Fault, Source, tree};

#[track_caller]
fn hold(fence: fn(&[Source]) -> Vec<Fault>) {
    let faults = fence(&tree());
    assert!(faults.is_empty(), "{} broken:\n  {}\n", faults.len(), faults.join("\n  "));
}

#[test]
fn rooms_import_only_what_the_map_allows() {
    hold(rooms::imports);
}

#[test]
fn unsafe_code_lies_in_the_shim_alone() {
    hold(rooms::unsafe_code);
}

#[test]
fn smoltcp_is_known_to_session_and_testkit_alone() {
    hold(rooms::smoltcp);
}

#[test]
fn only_base_time_reads_a_clock() {
    hold(rooms::clocks);
}

#[test]
fn only_snapshot_and_telemetry_hold_atomics() {
    hold(rooms::atomics);
}

#[test]
fn nothing_on_the_road_locks_or_prints() {
    hold(rooms::waiting);
}

#[test]
fn only_the_shim_includes_dpdk_headers() {
    hold(rooms::dpdk_headers);
}

#[test]
fn only_the_apis_router_makes_routes() {
    hold(rooms::api_routes);
}

#[test]
fn lists_of_the_api_are_made_beside_its_thread() {
    hold(rooms::api_lists);
}

#[test]
fn every_file_says_what_it_is_for() {
    hold(shape::headers);
}

#[test]
fn files_and_functions_are_short() {
    hold(shape::lengths);
}

#[test]
fn doors_hold_no_logic() {
    hold(shape::doors);
}

#[test]
fn nothing_is_unfinished_or_left_over() {
    hold(shape::unfinished);
}

#[test]
fn matches_over_own_enums_name_every_variant() {
    hold(shape::wildcards);
}

#[test]
fn every_counter_gauge_and_drop_reason_is_used() {
    hold(usage::catalogs);
}

#[test]
fn every_limit_bounds_something() {
    hold(usage::limits);
}

#[test]
fn every_dependency_is_used() {
    hold(usage::dependencies);
}

#[test]
fn no_path_of_a_build_machine_is_named() {
    hold(texts::machine_paths);
}

#[test]
fn scripts_are_careful_and_can_be_run() {
    hold(texts::scripts);
}

#[test]
fn readme_explains_every_config_key() {
    hold(texts::config_keys);
}

#[test]
fn documents_name_only_metrics_that_exist() {
    hold(texts::metric_names);
}

#[test]
fn every_claim_of_security_is_held_by_a_test_that_exists() {
    hold(texts::tests_of_claims);
}

#[test]
fn readme_and_code_name_the_same_statuses() {
    hold(statuses::agreement);
}

#[test]
fn every_status_is_brought_about_in_a_test() {
    hold(statuses::tested);
}
