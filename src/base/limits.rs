//! Every bound of the system, and how the bounds relate.

/// Frames taken from a port in one turn of a worker's loop.
pub const BURST_FRAMES_MAX: usize = 32;
/// Frames waiting for one port's transmit call within a turn.
pub const TX_FRAMES_MAX: usize = 256;
/// The longest frame that a worker writes.
pub const FRAME_BYTES_MAX: usize = 9_216;
/// The longest IP packet that is given to a device to be cut into segments, in bytes: eleven of Ethernet's. Longer ones spare
/// little more, and some cards (e1000e) take 16,288 bytes of a buffer at most.
pub const TSO_BYTES_MAX: u16 = 16_000;
/// Buffers for such packets of a port and worker; when all are on their way, packets are as long as segments again.
pub const TSO_FRAMES: u32 = 64;
/// Empty frame buffers that a worker keeps at hand.
pub const SPARE_FRAMES_MAX: usize = 64;
/// The longest nap of an idle worker, in microseconds.
pub const NAP_US_MAX: u64 = 100;
/// The longest wait of an idle worker for an interrupt, in milliseconds: commands and snapshots come without one.
pub const INTERRUPT_WAIT_MS_MAX: u64 = 10;
/// Workers in one process.
pub const WORKERS_MAX: usize = 64;
/// Ports in one process.
pub const PORTS_MAX: usize = 8;
/// Addresses on one port.
pub const PORT_ADDRS_MAX: usize = 16;
/// Static routes.
pub const ROUTES_MAX: usize = 256;
/// Next hops (gateways and on-link hosts) that a worker knows at once.
pub const NEIGHBORS_MAX: usize = 1024;
/// Frames that wait for one next hop's answer.
pub const NEIGHBOR_QUEUE_MAX: usize = 4;
/// Frames that wait for the answers of all next hops together, a worker.
pub const NEIGHBOR_WAITING_MAX: usize = 256;
/// Slots of a worker's hand-over ring.
pub const HANDOVER_SLOTS_MAX: usize = 1024;
/// Onboarded prefixes.
pub const PREFIXES_MAX: usize = 16_384;
/// Apps in one table file.
pub const APPS_MAX: usize = 1 << 20;
/// Accounts in one table file, those that a reload removed included until their sessions are over.
pub const ACCOUNTS_MAX: usize = 1 << 16;
/// Clients of apps with limits for them that a worker counts at once.
pub const CLIENTS_COUNTED_MAX: usize = 1 << 16;
/// SYN cookies that have opened a session and that a worker knows again.
pub const COOKIES_SPENT_MAX: usize = 1 << 16;
/// Access rules over all zones.
pub const RULES_MAX: usize = 4_000_000;
/// Rules changed one by one since all were compiled; beyond, all are compiled anew.
pub const RULE_EDITS_MAX: usize = 8_192;
/// So many changed rules are worked into the rest, beside the road.
pub const RULE_EDITS_MERGE: usize = 2_048;
/// Apps changed at once by an edit; more are compiled with everything else.
pub const APP_EDITS_MAX: usize = 1_024;
/// Apps whose sessions are judged anew one by one after edits; with more, all sessions are.
pub const JUDGED_APPS_MAX: usize = 1_024;
/// Places of apps edited one by one since all were compiled; beyond, all are compiled anew.
pub const EDGE_EDITS_MAX: usize = 16_384;
/// So many edited places are worked into the rest, beside the road.
pub const EDGE_EDITS_MERGE: usize = 2_048;
/// Ranges of ports among them, as `EDGE_EDITS_MAX`: all those of an address that was touched.
pub const RANGE_EDITS_MAX: usize = 131_072;
/// As `EDGE_EDITS_MERGE`.
pub const RANGE_EDITS_MERGE: usize = 16_384;
/// Changes of rules that the journal beside the stored table holds; beyond, they belong into the table file.
pub const JOURNAL_RULES_MAX: usize = 262_144;
/// Legs of one worker that keep a scoreboard of what their peers have behind losses; others repair one loss a round trip.
pub const SCOREBOARDS_MAX: usize = 1_024;
/// Origins of one app.
pub const ORIGINS_PER_APP_MAX: usize = 64;
/// Origins that a worker counts connections of and looks after, of apps with several.
pub const ORIGINS_TRACKED_MAX: usize = 4096;
/// Origins whose TCP options a worker remembers.
pub const ORIGIN_OPTIONS_MAX: usize = 4096;
/// Origins of one app of which it asks what they take when a client of that app connects.
pub const ORIGINS_FORESEEN_MAX: usize = 8;
/// Targets of one SRV answer whose addresses are asked for.
pub const SRV_TARGETS_MAX: usize = 16;
/// Origin names being asked for at once.
pub const DNS_QUESTIONS_IN_FLIGHT_MAX: usize = 64;
/// Name servers that are asked for origins.
pub const NAME_SERVERS_MAX: usize = 8;
/// Active probes of one worker under way.
pub const PROBES_MAX: usize = 64;
/// Active probes of all workers under way.
pub const PROBES_IN_FLIGHT_MAX: usize = 64;
/// Active probes that control puts at one look.
pub const PROBES_PER_TICK_MAX: usize = 8;
/// The fewest sessions of a kind that a worker is made for.
pub const SESSIONS_MIN: usize = 16;
/// The most sessions of a kind that a worker is made for.
pub const SESSIONS_MAX: usize = 1 << 22;
/// Tuples of one worker in TIME-WAIT, and source ports at rest, for each session that it can hold: connections come and go
/// faster than a closed tuple rests.
pub const RESTING_PER_SESSION: usize = 4;
/// The fewest of them.
pub const RESTING_MIN: usize = 1 << 18;
/// The most of them.
pub const RESTING_MAX: usize = 1 << 20;
/// Addresses of egress legs, a family.
pub const EGRESS_ADDRS_MAX: usize = 256;
/// Snapshots on their way to or from one worker.
pub const SNAPSHOTS_IN_FLIGHT_MAX: usize = 4;
/// Events waiting for control, a worker.
pub const EVENTS_MAX: usize = 16_384;
/// Events waiting for control beyond which aggregates give way to those of connections.
pub const EVENTS_AGGREGATE_MAX: usize = EVENTS_MAX / 4;
/// Commands waiting for a worker.
pub const COMMANDS_MAX: usize = 64;
/// Timers that one turn of a worker may fire.
pub const TIMERS_PER_TURN_MAX: usize = 256;
/// Sessions that one turn looks at after a new snapshot came in.
pub const SWEEP_PER_TURN_MAX: usize = 64;
/// Events of UDP clients that an origin has answered but that are not proven: told one by one a second, a worker.
pub const UNPROVEN_EVENTS_PER_S: u32 = 100;
/// Kinds, apps and source nets whose events are gathered at once, a worker.
pub const FILTERED_NETS_MAX: usize = 512;
/// Kinds and apps whose events are gathered over all other sources, a worker.
pub const FILTERED_APPS_MAX: usize = 256;
/// Gathered events that one turn tells.
pub const FILTERED_TOLD_PER_TURN_MAX: usize = 64;
/// Announcements (gratuitous ARP, unsolicited NA) that one turn sends.
pub const ANNOUNCEMENTS_PER_TURN_MAX: usize = 16;
/// Questions for next hops that one turn puts.
pub const NEIGHBOR_ASKS_PER_TURN_MAX: usize = 32;
/// Words from other workers that one turn takes.
pub const NOTICES_PER_TURN_MAX: usize = 64;
/// TLS handshakes that one turn takes back from the crypto threads.
pub const CRYPTO_TRIPS_PER_TURN_MAX: usize = 32;
/// TLS handshakes that one worker may have with the crypto threads.
pub const CRYPTO_JOBS_MAX: usize = 65_536;
/// Threads that make TLS handshakes.
pub const CRYPTO_THREADS_MAX: usize = 64;
/// Certificates of one zone.
pub const CERTIFICATES_PER_ZONE_MAX: usize = 1_024;
/// Commands that one turn takes.
pub const COMMANDS_PER_TURN_MAX: usize = 8;
/// The smallest path MTU that an ICMP error may bring about on IPv4 (RFC 1191; 576 as the floor in use).
pub const PATH_MTU_V4_MIN: usize = 576;
/// The smallest path MTU on IPv6 (RFC 8200 5).
pub const PATH_MTU_V6_MIN: usize = 1280;

/// Changes that the API's store remembers, for its audit log and for going back: who, what and when.
pub const VERSIONS_KEPT_MAX: usize = 10_000;
/// The last of them that one may go back over; they are kept whole, however long.
pub const VERSIONS_BACK_MAX: usize = 20;
/// Edits of older ones, with what was there before and after, that the audit log holds together.
pub const VERSION_EDITS_KEPT_MAX: usize = 200_000;
/// Edits of one version that the history tells in its list; the rest are read by pages.
pub const HISTORY_EDITS_MAX: usize = 1_000;
/// What was before and after, of all edits that one answer of the history tells, in bytes; the rest are read by pages.
pub const HISTORY_BYTES_MAX: usize = 4 << 20;
/// Edits of a version that are counted while the store is held.
pub const HISTORY_TALLY_STEP: u64 = 10_000;
/// Questions to the audit log and the history that are at the store at once: a change waits for one at most before it has
/// its turn.
pub const API_AUDITS_MAX: usize = 1;
/// The longest body of an API request, in bytes.
pub const API_BODY_BYTES_MAX: usize = 16 << 20;
/// The same of an import, over the admin socket alone: a hundred thousand apps fit twice over.
pub const API_IMPORT_BYTES_MAX: usize = 256 << 20;
/// Service bindings, routes or delegations of one prefix.
pub const BINDINGS_PER_PREFIX_MAX: usize = 1_024;
/// Address maps of one account.
pub const ADDRESS_MAPS_PER_ACCOUNT_MAX: usize = 1_000;
/// Addresses of one address map, and members of it.
pub const ADDRESS_MAP_MEMBERS_MAX: usize = 1_000;
/// One letter of authorisation, in bytes; its form fits a request's body.
pub const LOA_BYTES_MAX: usize = 10_000_000;
/// Records of a zone file that is read: those of apps stand in an export beside those of the operator.
pub const DNS_FILE_RECORDS_MAX: usize = 20_000;
/// DNS records of one zone that its operator makes.
pub const DNS_RECORDS_PER_ZONE_MAX: usize = 10_000;
/// DNS records of one batch.
pub const DNS_BATCH_MAX: usize = 1_000;
/// A zone file that is read, in bytes.
pub const DNS_FILE_BYTES_MAX: usize = 4 << 20;
/// Texts (TXT) of one host name together, in bytes (Cloudflare's own bound).
pub const TXT_BYTES_PER_NAME_MAX: usize = 8_192;
/// Connections that the API serves at once.
pub const API_CONNECTIONS_MAX: usize = 256;
/// Connections of the API's admin socket at once, beside those.
pub const API_LOCAL_CONNECTIONS_MAX: usize = 32;
/// Connections of the API from one IPv4 address or /64 at once.
pub const API_CONNECTIONS_PER_NET_MAX: usize = 64;
/// Changes that wait for their turn.
pub const API_CHANGES_WAITING_MAX: usize = 64;
/// Those of one user among them.
pub const API_CHANGES_WAITING_PER_USER_MAX: usize = 16;
/// Tokens of one user.
pub const TOKENS_PER_USER_MAX: usize = 1_000;
/// Tokens and sources of bad credentials that the API counts at once.
pub const API_RATES_MAX: usize = 1 << 16;
/// Rows of analytics that are gathered in memory until they are on the disk; as many again where apps share one.
pub const ANALYTICS_PENDING_MAX: usize = 1 << 17;
/// The same of one zone.
pub const ANALYTICS_PENDING_PER_ZONE_MAX: usize = ANALYTICS_PENDING_MAX / 2;
/// Apps of ten seconds, of which `aggregate/current` tells; as many again where apps share a row.
pub const ANALYTICS_RECENT_APPS_MAX: usize = 1 << 15;
/// The same of one zone.
pub const ANALYTICS_RECENT_APPS_PER_ZONE_MAX: usize = ANALYTICS_RECENT_APPS_MAX / 2;
/// Rows of minutes on the disk.
pub const ANALYTICS_MINUTE_ROWS_MAX: u64 = 2_000_000;
/// Rows of hours on the disk.
pub const ANALYTICS_HOUR_ROWS_MAX: u64 = 1_000_000;
/// Rows of days on the disk.
pub const ANALYTICS_DAY_ROWS_MAX: u64 = 1_000_000;
/// Rows on the disk that one question reads.
pub const ANALYTICS_SCAN_ROWS_MAX: u64 = 1_000_000;
/// Intervals of one answer.
pub const ANALYTICS_INTERVALS_MAX: usize = 1_500;
/// Numbers of one answer before its limit: rows, times intervals, times metrics.
pub const ANALYTICS_NUMBERS_MAX: usize = 250_000;
/// Rows of one answer.
pub const ANALYTICS_LIMIT_MAX: usize = 10_000;
/// Batches of control's that wait for the keeper of analytics; control goes on gathering what finds no room.
pub const ANALYTICS_BATCHES_MAX: usize = 8;
/// Questions that wait for it.
pub const ANALYTICS_ASKS_MAX: usize = 64;
/// The same of one zone.
pub const ANALYTICS_ASKS_PER_ZONE_MAX: usize = 8;
/// Connections whose bytes are told while they go on; further ones tell theirs when they end.
pub const PROGRESS_SESSIONS_MAX: usize = 1 << 17;
/// Sessions that one look at the workers' takes in.
pub const PROGRESS_ROWS_PER_LOOK_MAX: u32 = 1_024;

const _: () = assert!(ANALYTICS_LIMIT_MAX * 7 <= ANALYTICS_NUMBERS_MAX);
const _: () = assert!(ANALYTICS_INTERVALS_MAX * 7 <= ANALYTICS_NUMBERS_MAX);
const _: () = assert!(PROGRESS_ROWS_PER_LOOK_MAX as usize <= NEIGHBORS_MAX);
const _: () = assert!(LOA_BYTES_MAX < API_BODY_BYTES_MAX);
const _: () = assert!(DNS_FILE_BYTES_MAX < API_BODY_BYTES_MAX);
const _: () = assert!(API_CONNECTIONS_PER_NET_MAX < API_CONNECTIONS_MAX);
const _: () = assert!(VERSIONS_BACK_MAX < VERSIONS_KEPT_MAX);
const _: () = assert!(PROBES_IN_FLIGHT_MAX <= PROBES_MAX);
const _: () = assert!(BURST_FRAMES_MAX <= TX_FRAMES_MAX);
const _: () = assert!(NEIGHBORS_MAX <= u16::MAX as usize);
const _: () = assert!(ORIGINS_TRACKED_MAX.is_power_of_two());
const _: () = assert!(ORIGIN_OPTIONS_MAX.is_power_of_two());
const _: () = assert!(ORIGINS_FORESEEN_MAX <= ORIGINS_PER_APP_MAX);
const _: () = assert!(PORTS_MAX <= WORKERS_MAX && WORKERS_MAX <= 1 << 7);
const _: () = assert!(RULE_EDITS_MERGE < RULE_EDITS_MAX);
const _: () = assert!(EDGE_EDITS_MERGE < EDGE_EDITS_MAX && RANGE_EDITS_MERGE < RANGE_EDITS_MAX);
