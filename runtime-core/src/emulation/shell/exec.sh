# Reads what to run from standard input, applies it, and becomes it. POSIX; what it is told stays inside the shell.
# The conversation is documented in emulation/mod.rs. Its variables have a prefix that no variable of the caller's may have.
__wharf_nonce=$1
shift
__wharf_say() { printf '<wharf:%s:%s>' "$__wharf_nonce" "$1"; }
__wharf_fail() {
    __wharf_say "fail:$1:0"
    exit 125
}
# A printf that is a program would show values in its arguments.
case $(command -v printf) in printf) ;; *) __wharf_fail shell ;; esac

# Sets __wharf_value to what it stands for. The dot keeps newlines at the end.
__wharf_decode() {
    case $__wharf_value in *\\*)
        __wharf_value=$(printf '%b.' "$__wharf_value")
        __wharf_value=${__wharf_value%.}
        ;;
    esac
}

# Finds the entry of a name, else of a number, in a file such as /etc/passwd.
__wharf_entry() {
    __wharf_found=
    while IFS=: read -r __wharf_1 __wharf_2 __wharf_3 __wharf_4 __wharf_5 __wharf_6 __wharf_rest; do
        case $__wharf_1 in "$1")
            __wharf_found=name
            return 0
            ;;
        esac
    done 2>/dev/null <"$2"
    while IFS=: read -r __wharf_1 __wharf_2 __wharf_3 __wharf_4 __wharf_5 __wharf_6 __wharf_rest; do
        case $__wharf_3 in "$1")
            __wharf_found=number
            return 0
            ;;
        esac
    done 2>/dev/null <"$2"
    return 1
}

# Sets __wharf_uid, _gid, _name and _home from the user in __wharf_value; __wharf_groups unless the group is said.
__wharf_look_up() {
    __wharf_groups=yes __wharf_group=
    case $__wharf_value in *:*)
        __wharf_groups= __wharf_group=${__wharf_value#*:} __wharf_value=${__wharf_value%%:*}
        ;;
    esac
    __wharf_uid=$__wharf_value __wharf_gid=0 __wharf_name= __wharf_home=/
    if __wharf_entry "$__wharf_value" /etc/passwd; then
        __wharf_name=$__wharf_1 __wharf_uid=$__wharf_3 __wharf_gid=$__wharf_4 __wharf_home=${__wharf_6:-/}
    fi
    case $__wharf_uid in '' | *[!0-9]*) __wharf_fail user-unknown ;; esac
    if [ -z "$__wharf_groups" ]; then
        __wharf_gid=$__wharf_group
        if __wharf_entry "$__wharf_group" /etc/group; then __wharf_gid=$__wharf_3; fi
        case $__wharf_gid in '' | *[!0-9]*) __wharf_fail group-unknown ;; esac
    fi
}

# Whom this shell runs as, and the home directory that runtimes set for it.
__wharf_who_am_i() {
    __wharf_own_uid= __wharf_own_gid= __wharf_own_home=/
    while read -r __wharf_1 __wharf_2 __wharf_3 __wharf_rest; do
        case $__wharf_1 in
        Uid:) __wharf_own_uid=$__wharf_3 ;;
        Gid:) __wharf_own_gid=$__wharf_3 ;;
        esac
    done 2>/dev/null </proc/$$/status
    if __wharf_entry "$__wharf_own_uid" /etc/passwd; then __wharf_own_home=${__wharf_6:-/}; fi
}

# Sets __wharf_how to what can change the user here. A shell itself can't.
__wharf_find_how() {
    __wharf_tool=$(command -v setpriv) && {
        __wharf_how=setpriv-clear
        case $__wharf_groups$__wharf_name in yes?*) __wharf_how=setpriv-init ;; esac
        __wharf_as : 2>/dev/null && return
    }
    __wharf_tool=$(command -v chroot) && {
        __wharf_how=chroot-clear
        case $__wharf_groups$__wharf_name in yes?*) __wharf_how=chroot-init ;; esac
        __wharf_as : 2>/dev/null && return
    }
    # It takes the group and all else from the user's entry.
    case $__wharf_groups$__wharf_name in yes?*)
        __wharf_tool=$(command -v su) && {
            __wharf_how=su
            __wharf_as : 2>/dev/null && return
        }
        ;;
    esac
    case $__wharf_own_uid in 0) __wharf_fail user-tool ;; *) __wharf_fail user-denied ;; esac
}

# Runs a shell with this text and arguments as the user; with __wharf_exec=exec in place of this one.
__wharf_as() {
    __wharf_text=$1
    shift
    case $__wharf_how in
    setpriv-init)
        set -- --reuid="$__wharf_uid" --regid="$__wharf_gid" --init-groups /bin/sh -c "$__wharf_text" wharf "$@"
        ;;
    setpriv-clear)
        set -- --reuid="$__wharf_uid" --regid="$__wharf_gid" --clear-groups /bin/sh -c "$__wharf_text" wharf "$@"
        ;;
    chroot-init)
        set -- --userspec="$__wharf_name:$__wharf_gid" --skip-chdir / /bin/sh -c "$__wharf_text" wharf "$@"
        ;;
    chroot-clear)
        set -- --userspec="+$__wharf_uid:+$__wharf_gid" --groups= --skip-chdir / /bin/sh -c "$__wharf_text" wharf "$@"
        ;;
    su)
        set -- -s /bin/sh -c "$__wharf_text" -- "$__wharf_name" wharf "$@"
        ;;
    esac
    case ${__wharf_exec-} in
    exec) exec "$__wharf_tool" "$@" ;;
    *) "$__wharf_tool" "$@" </dev/null >/dev/null ;;
    esac
}

# What is left to do as the user: find the program, say that it comes, and become it. No single quote may be in here.
__wharf_last='
__wharf_nonce=$1
shift
__wharf_say() { printf "<wharf:%s:%s>" "$__wharf_nonce" "$1"; }
__wharf_fail() {
    __wharf_say "fail:$1:0"
    exit 125
}
case ${__wharf_home_of_user+set} in set)
    HOME=$__wharf_home_of_user
    export HOME
    unset __wharf_home_of_user
    ;;
esac
__wharf_program= __wharf_why=command-missing
__wharf_try() {
    if [ -f "$1" ] && [ -x "$1" ]; then
        __wharf_program=$1
    elif [ -e "$1" ]; then
        __wharf_why=command-denied
    fi
}
case $1 in
*/*) __wharf_try "$1" ;;
*)
    __wharf_path=$PATH:
    while [ -n "$__wharf_path" ] && [ -z "$__wharf_program" ]; do
        __wharf_try "${__wharf_path%%:*}/$1"
        __wharf_path=${__wharf_path#*:}
    done
    ;;
esac
[ -n "$__wharf_program" ] || __wharf_fail "$__wharf_why"
__wharf_start=0
if IFS= read -r __wharf_stat </proc/$$/stat; then
    __wharf_start=${__wharf_stat##*) }
    __wharf_field=3
    while [ "$__wharf_field" -lt 22 ]; do
        __wharf_start=${__wharf_start#* } __wharf_field=$((__wharf_field + 1))
    done
    __wharf_start=${__wharf_start%% *}
fi 2>/dev/null
__wharf_say "ready:$$:$__wharf_start"
case $1 in -*)
    shift
    exec "$__wharf_program" "$@"
    ;;
esac
exec "$@"
'

IFS= read -r __wharf_line || __wharf_fail header
case $__wharf_line in '1 '*) ;; *) __wharf_fail header ;; esac
__wharf_flags=${__wharf_line##* } __wharf_value= __wharf_how= __wharf_home= __wharf_complete=
case $__wharf_flags in *a*) __wharf_say + ;; esac
while [ -z "$__wharf_complete" ] && IFS= read -r __wharf_line; do
    case $__wharf_flags in *a*) __wharf_say + ;; esac
    __wharf_value=$__wharf_value${__wharf_line#?}
    case $__wharf_line in
    +*) continue ;;
    u*)
        __wharf_decode
        __wharf_look_up
        __wharf_who_am_i
        case $__wharf_own_uid:$__wharf_own_gid in
        "$__wharf_uid:$__wharf_gid") ;;
        *) __wharf_find_how ;;
        esac
        # The home directory goes with the user, unless somebody said another than the one that runtimes set.
        case ${HOME-$__wharf_own_home} in "$__wharf_own_home")
            HOME=$__wharf_home
            export HOME
            ;;
        esac
        ;;
    d*)
        __wharf_decode
        cd -- "$__wharf_value" 2>/dev/null || {
            if [ -d "$__wharf_value" ]; then __wharf_fail cwd-denied; fi
            if [ -e "$__wharf_value" ]; then __wharf_fail cwd-file; fi
            __wharf_fail cwd-missing
        }
        ;;
    e*)
        __wharf_decode
        command export "$__wharf_value" 2>/dev/null || __wharf_fail env
        ;;
    a*)
        __wharf_decode
        set -- "$@" "$__wharf_value"
        ;;
    x*) __wharf_complete=yes ;;
    *) __wharf_fail header ;;
    esac
    __wharf_value=
done
[ -n "$__wharf_complete" ] || __wharf_fail header
[ $# -gt 0 ] || __wharf_fail header
case $__wharf_flags in *n*) exec </dev/null ;; esac
set -- "$__wharf_nonce" "$@"
case $__wharf_how in
'') eval "$__wharf_last" ;;
*)
    __wharf_home_of_user=$HOME __wharf_exec=exec
    export __wharf_home_of_user
    __wharf_as "$__wharf_last" "$@"
    ;;
esac
