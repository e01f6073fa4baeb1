# bash completion for vaultyard-certs
_vaultyard_certs()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    case $before in
        --settings | --status | --state | --metrics | --ca | --clock | check | status)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return ;;
    esac
    local words='--settings --status --state --metrics --ca --clock --once --dry-run --help --version'
    [ "$COMP_CWORD" -eq 1 ] && words="check status $words"
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _vaultyard_certs vaultyard-certs
