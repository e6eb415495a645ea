//! The `byway` binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    byway::cli::main()
}
