# bash completion of bbctl                                          -*- shell-script -*-
# Slaves, builders, builds and instances are asked for when they are needed; without a daemon there is just nothing to offer.

# The first column of what a verb lists; the options say which daemon is meant.
_bbctl_names () { # verb [option…]
  bbctl "${bus[@]}" "$@" 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_bbctl () {
  local cur prev cword verb='' i
  local -a bus=() words=()
  COMPREPLY=()
  # Addresses of buses hold what Bash takes for the end of a word.
  if declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref -n ':=,' cur prev words cword
  else
    words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
    cur=${words[cword]} prev=${words[cword - 1]}
  fi

  for ((i = 1; i < cword; i++)); do
    case ${words[i]} in
      --bus) bus=(--bus "${words[i + 1]}"); i=$((i + 1)) ;;
      -*) ;;
      *) verb=${words[i]}; break ;;
    esac
  done

  _bbctl_offer () { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }

  case $prev in
    --bus) _bbctl_offer 'system session'; return ;;
    --slave) _bbctl_offer "$(_bbctl_names slaves)"; return ;;
    --builder) _bbctl_offer "$(_bbctl_names builders)"; return ;;
    --state) _bbctl_offer 'pending waiting-for-slave running finished'; return ;;
    --result) _bbctl_offer 'success warnings failure skipped exception retry cancelled'; return ;;
    -C | --workdir | -e | --env | -p | --property | -r | --reason | -l | --log | -n | --limit) return ;;
  esac

  if [ -z "$verb" ]; then
    case $cur in
      -*) _bbctl_offer '--bus --json --version --help' ;;
      *) _bbctl_offer "$(bbctl --help 2>/dev/null | LC_ALL=C sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')" ;;
    esac
    return
  fi

  case $cur in
    -*)
      _bbctl_offer "$(LC_ALL=C bbctl "$verb" --help 2>/dev/null | grep -oE -- '--[a-z-]+' | sort -u)"
      return
      ;;
  esac

  case $verb in
    slave | pause | resume | shutdown | ping | substantiate | insubstantiate) _bbctl_offer "$(_bbctl_names slaves)" ;;
    build) _bbctl_offer "$(_bbctl_names builders)" ;;
    cancel | log) [ "$prev" = "$verb" ] && _bbctl_offer "$(_bbctl_names builds)" ;;
    terminate | forget) _bbctl_offer "$(_bbctl_names instances)" ;;
    plugins) _bbctl_offer "$(_bbctl_names plugins)" ;;
    run) mapfile -t COMPREPLY < <(compgen -c -- "$cur") ;;
  esac
}

complete -F _bbctl bbctl
