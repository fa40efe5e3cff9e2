# $1: the directory. No archive comes before the word; after a failure what still comes of it is read and dropped.
# The archive is unpacked beside what is there and moved when it is whole, since tar writes files in place.
command -v tar >/dev/null 2>&1 || exit 43
[ -e "$1" ] || [ -L "$1" ] || exit 41
[ -d "$1" ] || exit 42
cd -- "$1" || exit 44
umask 077
new=.wharf-$$
mkdir -- "$new" || exit 44
trap 'rm -rf -- "../$new" "$new"' EXIT
trap 'exit 44' HUP INT TERM
cd -- "$new" || exit 44
printf 'ready\n'
tar -xpf - || { printf 'stop\n'; cat >/dev/null; exit 44; }
# What is meant by a pattern that fits nothing is nothing.
set --
for name in * .[!.]* ..?*; do
  if [ -e "$name" ] || [ -L "$name" ]; then set -- "$@" "$name"; fi
done
[ $# -eq 0 ] && exit 0
tar -cf - -- "$@" | tar -xpf - -C .. || exit 44
