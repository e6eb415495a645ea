//! A passphrase from a file that nobody else reads, or from the terminal, which does not show it.

use super::args::PassphraseArgs;
use crate::base::outside::OneLine;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The shortest passphrase that is taken for a new file.
const CHARS_MIN: usize = 12;
/// The longest, in bytes.
const BYTES_MAX: u64 = 1_024;

/// The passphrase of a new file: long enough, and typed twice.
///
/// # Errors
/// One line.
pub fn new(args: &PassphraseArgs) -> Result<String, String> {
    let passphrase = match &args.passphrase_file {
        Some(path) => from_file(path)?,
        None => {
            let first = from_terminal("passphrase for the secrets: ")?;
            if from_terminal("once more: ")? != first {
                return Err("the two passphrases differ".into());
            }
            first
        }
    };
    match passphrase.chars().count() {
        count if count < CHARS_MIN => Err(format!("a passphrase has at least {CHARS_MIN} letters")),
        _ => Ok(passphrase),
    }
}

/// The passphrase of a file that is there.
///
/// # Errors
/// One line.
pub fn known(args: &PassphraseArgs) -> Result<String, String> {
    match &args.passphrase_file {
        Some(path) => from_file(path),
        None => from_terminal("passphrase of the secrets: "),
    }
}

fn from_file(path: &Path) -> Result<String, String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(told)?;
    let mode = file.metadata().map_err(told)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "{}: its mode is {mode:04o}, and it holds a passphrase: chmod 0600 it",
            path.display()
        ));
    }
    first_line(file).map_err(|why| format!("{}: {why}", path.display()))
}

fn first_line(from: impl Read) -> Result<String, String> {
    let mut line = String::new();
    BufReader::new(from.take(BYTES_MAX + 1)).read_line(&mut line).map_err(|error| error.to_string())?;
    let line = line.trim_end_matches(['\n', '\r']);
    match line.len() as u64 {
        0 => Err("its first line is empty".into()),
        length if length > BYTES_MAX => Err(format!("a passphrase has at most {BYTES_MAX} bytes")),
        _ => Ok(line.to_owned()),
    }
}

fn from_terminal(prompt: &str) -> Result<String, String> {
    let told = |error: &dyn std::fmt::Display| {
        OneLine(format!("no terminal to ask for a passphrase at ({error}): name a --passphrase-file"))
            .to_string()
    };
    let mut terminal =
        OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(|error| told(&error))?;
    let shown = tcgetattr(&terminal).map_err(|error| told(&error))?;
    let mut hidden = shown.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    write!(terminal, "{prompt}").map_err(|error| told(&error))?;
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &hidden).map_err(|error| told(&error))?;
    let line = first_line(&terminal);
    let back = tcsetattr(&terminal, SetArg::TCSAFLUSH, &shown);
    // The end of the line was not shown either.
    let _ = writeln!(terminal);
    back.map_err(|error| told(&error))?;
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_passphrase_is_a_files_first_line_that_others_cannot_read() {
        let path = std::env::temp_dir().join(format!("byway-passphrase-{}", std::process::id()));
        let args = PassphraseArgs { passphrase_file: Some(path.clone()) };
        let write = |text: &str, mode| {
            std::fs::write(&path, text).expect("written");
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("changed");
        };
        write("correct horse battery\nnot this\n", 0o600);
        assert_eq!(new(&args).expect("read"), "correct horse battery");
        write("correct horse battery\n", 0o640);
        assert!(known(&args).expect_err("others read it").contains("chmod 0600"));
        write("short\n", 0o600);
        assert!(new(&args).expect_err("short").contains("at least 12"));
        assert_eq!(known(&args).expect("of an old file"), "short");
        write("\n", 0o600);
        assert!(known(&args).is_err());
        write(&"x".repeat(2_000), 0o600);
        assert!(known(&args).is_err());
        std::fs::remove_file(&path).expect("removed");
    }
}
