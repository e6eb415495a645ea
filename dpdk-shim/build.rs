//! Compiles the C shim, generates its bindings and names the libraries to link; a no-op without the `link` feature.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "link")]
    link::build();
}

#[cfg(feature = "link")]
mod link {
    use std::path::PathBuf;

    /// What the shim calls. Drivers are plugins that EAL loads at run time, so none is named here.
    const LIBRARIES: [&str; 8] =
        ["rte_eal", "rte_mempool", "rte_mbuf", "rte_ring", "rte_ethdev", "rte_fib", "rte_hash", "rte_rcu"];

    /// The series that the shim is written against and tested with.
    const SERIES: &str = "22.11.";

    pub fn build() {
        println!("cargo:rerun-if-changed=c/shim.h");
        println!("cargo:rerun-if-changed=c/shim.c");
        let dpdk = find_dpdk();
        compile(&dpdk);
        bind();
        for path in &dpdk.link_paths {
            println!("cargo:rustc-link-search=native={}", path.display());
        }
        for library in LIBRARIES {
            println!("cargo:rustc-link-lib=dylib={library}");
        }
    }

    fn find_dpdk() -> pkg_config::Library {
        let found =
            pkg_config::Config::new().cargo_metadata(false).print_system_cflags(true).probe("libdpdk");
        let dpdk = found.unwrap_or_else(|error| {
            stop(&format!(
                "DPDK was not found by pkg-config. Install it (Debian: apt-get install libdpdk-dev pkg-config), or \
                 build without it: cargo build --no-default-features. pkg-config said: {error}"
            ))
        });
        if !dpdk.version.starts_with(SERIES) {
            println!("cargo:warning=byway is tested with DPDK {SERIES}x; this machine has {}", dpdk.version);
        }
        dpdk
    }

    /// pkg-config's own flags are not all in `Library` (`-include rte_config.h -march=corei7`), so they are asked for
    /// as text.
    fn compile(dpdk: &pkg_config::Library) {
        let mut build = cc::Build::new();
        build.file("c/shim.c").std("gnu11").opt_level(3).warnings(true).extra_warnings(true);
        build.includes(&dpdk.include_paths);
        for flag in cflags() {
            build.flag(&flag);
        }
        build.compile("byway_dpdk_shim");
    }

    fn cflags() -> Vec<String> {
        let pkg_config = std::env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
        let out = std::process::Command::new(pkg_config).args(["--cflags", "libdpdk"]).output();
        let text = out.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn bind() {
        let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("bindings.rs");
        // clang-sys panics when it finds no libclang; the hook is silenced so that one clear line remains.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let made = std::panic::catch_unwind(|| {
            bindgen::Builder::default()
                .header("c/shim.h")
                .allowlist_function("bw_.*")
                .allowlist_type("bw_.*")
                .allowlist_var("BW_.*")
                .derive_default(true)
                .layout_tests(false)
                .generate()
        });
        std::panic::set_hook(hook);
        let bindings = match made {
            Ok(Ok(bindings)) => bindings,
            Ok(Err(error)) => stop(&format!("bindgen could not read c/shim.h: {error}")),
            Err(_) => stop("libclang was not found; bindgen needs it (Debian: apt-get install libclang-dev)"),
        };
        bindings.write_to_file(out).expect("OUT_DIR can be written");
    }

    fn stop(message: &str) -> ! {
        println!("cargo:warning={message}");
        eprintln!("{message}");
        std::process::exit(1);
    }
}
