# Completion of curfew for bash: put it where bash-completion finds it, or source it.

# The names of the servers of the curfew that answers at the socket which is typed already, or is usual; quietly nothing else.
_curfew_servers() {
	local socket=${CURFEW_SOCKET:-/run/curfew.sock} i
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == -s || ${COMP_WORDS[i]} == --socket ]] && socket=${COMP_WORDS[i + 1]}
	done
	[[ -S $socket ]] || return
	timeout 1 "${COMP_WORDS[0]}" status -s "$socket" --json 2>/dev/null |
		grep -o '"servers":\[.*' | grep -o '"name":"[^"\\]*"' | cut -d '"' -f 4 | sort -u
}

_curfew_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }

# $1: the pattern of files that fit, folders do as well; nothing: all.
_curfew_files() {
	mapfile -t COMPREPLY < <(
		[[ -n $1 ]] && compgen -f -X "!$1" -- "$cur"
		[[ -z $1 ]] && compgen -f -- "$cur"
		compgen -d -S / -- "$cur"
	)
	compopt -o filenames -o nospace 2>/dev/null
}

_curfew() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} i operands=0
	local commands="run check init plan test status stop abort reload trigger hurry extend skip cancel server events timeline help version"
	local triggers="SIGTERM SIGINT SIGQUIT SIGHUP exit error stop abort reload closed: custom:"
	local client="-s --socket --json --help"
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		_curfew_words "$commands"
		return
	fi
	for ((i = 2; i < COMP_CWORD; i++)); do # what follows -- in run is a command of its own
		if [[ $command == run && ${COMP_WORDS[i]} == -- ]]; then
			declare -F _command_offset >/dev/null && _command_offset $((i + 1)) || _curfew_files ''
			return
		fi
		[[ ${COMP_WORDS[i]} != -* && ! ${COMP_WORDS[i - 1]} =~ ^(-s|--socket)$ ]] && operands=$((operands + 1))
	done
	case $prev in
	-s | --socket | --control | --black-box | --file) _curfew_files ''; return ;;
	-p | --policy) _curfew_files '*.lua'; return ;;
	--allow-read | --allow-write) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
	--allow-exec) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--allow-env) mapfile -t COMPREPLY < <(compgen -v -- "$cur"); return ;;
	--allow-ignore) _curfew_words "stop SIGTERM SIGINT SIGQUIT SIGHUP"; return ;;
	--allow-configure) _curfew_words "control health log watch"; return ;;
	--log-level) _curfew_words "debug info warn error"; return ;;
	--log-format) _curfew_words "text logfmt json"; return ;;
	--timeline) _curfew_words "auto always never"; return ;;
	--on) _curfew_words "$triggers"; return ;;
	--for) _curfew_words "container nginx node plain redis"; return ;;
	--format)
		[[ $command == plan ]] && _curfew_words "text json svg" || _curfew_words "text json sarif"
		return
		;;
	--exit-timeout | --start-timeout | --stop-margin | --grace | --explore | --seed | --async | --handler | --allow-listen | --allow-fetch | --limit)
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		case $command in
		run) _curfew_words "-p --policy --exit-timeout --start-timeout --stop-margin --log-format --log-level -q --quiet --control
			--black-box --timeline --watch --no-display --no-guardian --sandbox --allow-exec --allow-listen --allow-fetch --allow-read
			--allow-write --allow-env --allow-ignore --allow-configure --limit --help --" ;;
		check) _curfew_words "--format --async --handler --help" ;;
		init) _curfew_words "--for --force --help" ;;
		plan) _curfew_words "--on --format --grace --help" ;;
		test) _curfew_words "--explore --seed --faults --help" ;;
		timeline) _curfew_words "$client --file --svg --trace" ;;
		stop | abort | trigger) _curfew_words "$client --wait" ;;
		status | reload | hurry | extend | skip | cancel | server | events) _curfew_words "$client" ;;
		esac
		return
	fi
	case $command in
	run | check | init | plan | test) _curfew_files '*.lua' ;;
	trigger) _curfew_words "$triggers hurry cancel" ;;
	help) _curfew_words "$commands" ;;
	skip) _curfew_words "$(_curfew_servers)" ;;
	server) ((operands == 0)) && _curfew_words "start stop restart" || _curfew_words "$(_curfew_servers)" ;;
	esac
}

complete -F _curfew curfew
