# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_outpost_global_optspecs
    string join \n v/verbose h/help V/version
end

function __fish_outpost_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_outpost_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_outpost_using_subcommand
    set -l cmd (__fish_outpost_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c outpost -n "__fish_outpost_needs_command" -s v -l verbose -d 'Tell in the log how things came about, too (RUST_LOG, if set, goes before it)'
complete -c outpost -n "__fish_outpost_needs_command" -s h -l help -d 'Print help'
complete -c outpost -n "__fish_outpost_needs_command" -s V -l version -d 'Print version'
complete -c outpost -n "__fish_outpost_needs_command" -f -a "run" -d 'Serve the streams of a configuration'
complete -c outpost -n "__fish_outpost_needs_command" -f -a "demo" -d 'Serve a scanner and a camera that aren\'t there: needs no device and no configuration'
complete -c outpost -n "__fish_outpost_needs_command" -f -a "sign" -d 'Print an address of a stream that plays until it expires'
complete -c outpost -n "__fish_outpost_needs_command" -f -a "devices" -d 'List what can be captured from, and what to call it in the configuration'
complete -c outpost -n "__fish_outpost_needs_command" -f -a "check" -d 'Say what a configuration would do, and show for a few seconds what its sources hear and see'
complete -c outpost -n "__fish_outpost_needs_command" -f -a "network" -d 'Write what a card says of Wi-Fi, cable, host name and SSH keys for the programs that set these up'
complete -c outpost -n "__fish_outpost_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c outpost -n "__fish_outpost_using_subcommand run" -l listen -d 'Where to serve: 8080, 127.0.0.1:8080, [::]:80; a port alone means every address of the machine' -r
complete -c outpost -n "__fish_outpost_using_subcommand run" -l unattended -d 'Serve even if the configuration is wrong or missing: stream what is plugged in, say on the page what is wrong, and read the file again when it is written'
complete -c outpost -n "__fish_outpost_using_subcommand run" -s v -l verbose -d 'Tell in the log how things came about, too (RUST_LOG, if set, goes before it)'
complete -c outpost -n "__fish_outpost_using_subcommand run" -s h -l help -d 'Print help'
complete -c outpost -n "__fish_outpost_using_subcommand demo" -l listen -d 'Where to serve: 8080, 127.0.0.1:8080, [::]:80; a port alone means every address of the machine' -r
complete -c outpost -n "__fish_outpost_using_subcommand demo" -s v -l verbose -d 'Tell in the log how things came about, too (RUST_LOG, if set, goes before it)'
complete -c outpost -n "__fish_outpost_using_subcommand demo" -s h -l help -d 'Print help'
complete -c outpost -n "__fish_outpost_using_subcommand sign" -l for -d 'How long it plays: 2h, 30min, "7d"' -r
complete -c outpost -n "__fish_outpost_using_subcommand sign" -l base -d 'Where people reach the server: https://radio.example.org [default: this machine\'s address]' -r
complete -c outpost -n "__fish_outpost_using_subcommand sign" -l config -d 'The configuration [default: ./outpost.toml, else /etc/outpost/outpost.toml]' -r -F
complete -c outpost -n "__fish_outpost_using_subcommand sign" -s v -l verbose -d 'Tell in the log how things came about, too (RUST_LOG, if set, goes before it)'
complete -c outpost -n "__fish_outpost_using_subcommand sign" -s h -l help -d 'Print help'
complete -c outpost -n "__fish_outpost_using_subcommand devices" -l json -d 'As JSON, for programs'
complete -c outpost -n "__fish_outpost_using_subcommand devices" -s v -l verbose -d 'Tell in the log how things came about, too (RUST_LOG, if set, goes before it)'
complete -c outpost -n "__fish_outpost_using_subcommand devices" -s h -l help -d 'Print help'
complete -c outpost -n "__fish_outpost_using_subcommand check" -s v -l verbose -d 'Tell in the log how things came about, too (RUST_LOG, if set, goes before it)'
complete -c outpost -n "__fish_outpost_using_subcommand check" -s h -l help -d 'Print help'
complete -c outpost -n "__fish_outpost_using_subcommand network" -l root -d 'Where to write, instead of the root of the system' -r -F
complete -c outpost -n "__fish_outpost_using_subcommand network" -s v -l verbose -d 'Tell in the log how things came about, too (RUST_LOG, if set, goes before it)'
complete -c outpost -n "__fish_outpost_using_subcommand network" -s h -l help -d 'Print help'
complete -c outpost -n "__fish_outpost_using_subcommand help; and not __fish_seen_subcommand_from run demo sign devices check network help" -f -a "run" -d 'Serve the streams of a configuration'
complete -c outpost -n "__fish_outpost_using_subcommand help; and not __fish_seen_subcommand_from run demo sign devices check network help" -f -a "demo" -d 'Serve a scanner and a camera that aren\'t there: needs no device and no configuration'
complete -c outpost -n "__fish_outpost_using_subcommand help; and not __fish_seen_subcommand_from run demo sign devices check network help" -f -a "sign" -d 'Print an address of a stream that plays until it expires'
complete -c outpost -n "__fish_outpost_using_subcommand help; and not __fish_seen_subcommand_from run demo sign devices check network help" -f -a "devices" -d 'List what can be captured from, and what to call it in the configuration'
complete -c outpost -n "__fish_outpost_using_subcommand help; and not __fish_seen_subcommand_from run demo sign devices check network help" -f -a "check" -d 'Say what a configuration would do, and show for a few seconds what its sources hear and see'
complete -c outpost -n "__fish_outpost_using_subcommand help; and not __fish_seen_subcommand_from run demo sign devices check network help" -f -a "network" -d 'Write what a card says of Wi-Fi, cable, host name and SSH keys for the programs that set these up'
complete -c outpost -n "__fish_outpost_using_subcommand help; and not __fish_seen_subcommand_from run demo sign devices check network help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
