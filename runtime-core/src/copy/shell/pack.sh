# $1: the path, $2: the directory that it is in, $3: its name there.
command -v tar >/dev/null 2>&1 || exit 43
[ -e "$1" ] || [ -L "$1" ] || exit 41
exec tar -cf - -C "$2" -- "$3"
