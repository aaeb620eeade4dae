//! The `outpost` command.

fn main() -> std::process::ExitCode {
    outpost::app::cli::main()
}
