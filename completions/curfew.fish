# Completion of curfew for fish: put it into a folder such as ~/.config/fish/completions.

function __curfew_needs_command
    test (count (commandline -opc)) -eq 1
end

function __curfew_is
    set -l words (commandline -opc)
    test (count $words) -ge 2; and contains -- $words[2] $argv
end

# How many words follow the command already that are no options.
function __curfew_operands
    count (string match -v -- '-*' (commandline -opc)[3..-1])
end

# The names of the servers of the curfew that answers at the socket which is typed already, or is usual.
function __curfew_servers
    set -l words (commandline -opc)
    set -l socket /run/curfew.sock
    set -q CURFEW_SOCKET; and set socket $CURFEW_SOCKET
    for i in (seq (count $words))
        contains -- $words[$i] -s --socket; and set socket $words[(math $i + 1)]
    end
    test -S $socket; or return
    timeout 1 $words[1] status -s $socket --json 2>/dev/null | grep -o '"servers":\[.*' | grep -o '"name":"[^"\\\\]*"' | cut -d '"' -f 4 | sort -u
end

complete -c curfew -f
complete -c curfew -n __curfew_needs_command -a run -d 'Start servers under a policy and end them properly'
complete -c curfew -n __curfew_needs_command -a check -d 'Find in scripts what would go wrong when they run'
complete -c curfew -n __curfew_needs_command -a init -d 'Write a first policy and its test'
complete -c curfew -n __curfew_needs_command -a plan -d 'Show what a stop would do, without doing it'
complete -c curfew -n __curfew_needs_command -a test -d 'Run tests of policies in virtual time'
complete -c curfew -n __curfew_needs_command -a status -d 'Show what a running curfew does'
complete -c curfew -n __curfew_needs_command -a stop -d 'Ask a running curfew to stop and end'
complete -c curfew -n __curfew_needs_command -a abort -d 'Ask a running curfew to end at once'
complete -c curfew -n __curfew_needs_command -a reload -d 'Have a running curfew read its policy anew'
complete -c curfew -n __curfew_needs_command -a trigger -d 'Raise a trigger'
complete -c curfew -n __curfew_needs_command -a hurry -d 'Skip what is left of the holds and waits of a stop'
complete -c curfew -n __curfew_needs_command -a extend -d 'Move the end of a stop'
complete -c curfew -n __curfew_needs_command -a skip -d 'Give up what the stop of a server waits for'
complete -c curfew -n __curfew_needs_command -a cancel -d 'Take a stop back while nothing has been stopped yet'
complete -c curfew -n __curfew_needs_command -a server -d 'Start, stop or restart one server'
complete -c curfew -n __curfew_needs_command -a events -d 'Follow what happens'
complete -c curfew -n __curfew_needs_command -a timeline -d 'Show the last stop'
complete -c curfew -n __curfew_needs_command -a help -d 'Show what there is, or what a command does'
complete -c curfew -n __curfew_needs_command -a version -d 'Print the version'

complete -c curfew -n '__curfew_is run check init plan test status stop abort reload trigger hurry extend skip cancel server events timeline' -s h -l help -d 'What it understands'

# Policies, and whatever else is a file.
complete -c curfew -n '__curfew_is run check init plan test' -k -a '(__fish_complete_suffix .lua)'
complete -c curfew -n '__curfew_is run' -s p -l policy -r -k -a '(__fish_complete_suffix .lua)' -d 'Load this policy too'
complete -c curfew -n '__curfew_is run' -l exit-timeout -x -d 'From the first stopping trigger to the forced end'
complete -c curfew -n '__curfew_is run' -l start-timeout -x -d 'For all servers to be ready'
complete -c curfew -n '__curfew_is run' -l stop-margin -x -d 'Kept for hooks not begun'
complete -c curfew -n '__curfew_is run' -l log-format -x -a 'text logfmt json' -d 'Of log lines'
complete -c curfew -n '__curfew_is run' -l log-level -x -a 'debug info warn error' -d 'Of log lines'
complete -c curfew -n '__curfew_is run' -s q -l quiet -d 'Only warnings and errors'
complete -c curfew -n '__curfew_is run' -l control -r -F -d 'Answer on this socket'
complete -c curfew -n '__curfew_is run' -l black-box -r -F -d 'Keep what happens there'
complete -c curfew -n '__curfew_is run' -l timeline -x -a 'auto always never' -d 'After the stop'
complete -c curfew -n '__curfew_is run' -l watch -d 'Reload when a file of the policy changes'
complete -c curfew -n '__curfew_is run' -l no-display -d 'No live display during a stop'
complete -c curfew -n '__curfew_is run' -l no-guardian -d 'No second process'
complete -c curfew -n '__curfew_is run' -l sandbox -d 'Policies are not trusted'
complete -c curfew -n '__curfew_is run' -l allow-exec -r -F -d 'Run these'
complete -c curfew -n '__curfew_is run' -l allow-listen -x -d 'Listen there'
complete -c curfew -n '__curfew_is run' -l allow-fetch -x -d 'Ask these'
complete -c curfew -n '__curfew_is run' -l allow-read -x -a '(__fish_complete_directories)' -d 'Read beneath these'
complete -c curfew -n '__curfew_is run' -l allow-write -x -a '(__fish_complete_directories)' -d 'Write beneath these'
complete -c curfew -n '__curfew_is run' -l allow-env -x -a '(set -nx)' -d 'Read these variables'
complete -c curfew -n '__curfew_is run' -l allow-ignore -x -a 'stop SIGTERM SIGINT SIGQUIT SIGHUP' -d 'Answer these otherwise than by a stop'
complete -c curfew -n '__curfew_is run' -l allow-configure -x -a 'control health log watch' -d 'Configure these too'
complete -c curfew -n '__curfew_is run' -l limit -x -d 'Configure this up to a value'

complete -c curfew -n '__curfew_is check' -l format -x -a 'text json sarif' -d 'Of the findings'
complete -c curfew -n '__curfew_is check' -l async -x -d 'A function that calls back later'
complete -c curfew -n '__curfew_is check' -l handler -x -d 'A function whose argument serves requests'
complete -c curfew -n '__curfew_is init' -l for -x -a 'container nginx node plain redis' -d 'Stack'
complete -c curfew -n '__curfew_is init' -l force -d 'Replace files that are there'
complete -c curfew -n '__curfew_is plan' -l on -x -a 'SIGTERM SIGINT SIGQUIT SIGHUP exit error stop abort reload closed: custom:' -d 'What happens'
complete -c curfew -n '__curfew_is plan' -l format -x -a 'text json svg' -d 'Of the plan'
complete -c curfew -n '__curfew_is plan' -l grace -x -d 'What Kubernetes gives'
complete -c curfew -n '__curfew_is test' -l explore -x -d 'Random schedules'
complete -c curfew -n '__curfew_is test' -l seed -x -d 'Of the first'
complete -c curfew -n '__curfew_is test' -l faults -d 'More goes wrong'

# Of a running one.
set -l clients status stop abort reload trigger hurry extend skip cancel server events timeline
complete -c curfew -n "__curfew_is $clients" -s s -l socket -r -F -d 'Where it listens'
complete -c curfew -n "__curfew_is $clients" -l json -d 'The answer as it came'
complete -c curfew -n '__curfew_is stop abort trigger' -l wait -d 'Until the stop is over'
complete -c curfew -n '__curfew_is timeline' -l file -r -F -d 'A black box'
complete -c curfew -n '__curfew_is timeline' -l svg -d 'A picture'
complete -c curfew -n '__curfew_is timeline' -l trace -d 'A trace'
complete -c curfew -n '__curfew_is trigger' -a 'SIGTERM SIGINT SIGQUIT SIGHUP exit error stop abort reload closed: custom: hurry cancel'
complete -c curfew -n '__curfew_is server; and test (__curfew_operands) -eq 0' -a 'start stop restart'
complete -c curfew -n '__curfew_is server; and test (__curfew_operands) -ge 1' -a '(__curfew_servers)'
complete -c curfew -n '__curfew_is skip' -a '(__curfew_servers)'
complete -c curfew -n '__curfew_is help' -a 'run check init plan test status stop abort reload trigger hurry extend skip cancel server events timeline version'
