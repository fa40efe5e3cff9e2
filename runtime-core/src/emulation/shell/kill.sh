# SIGNAL PID STARTTIME process|group: as the command `kill` of the toolbox, with its exit codes.
IFS= read -r s 2>/dev/null <"/proc/$2/stat" || exit 3
s=${s##*) } i=3 g=
while [ "$i" -lt 22 ]; do
    case $i in 5) g=${s%% *} ;; esac
    s=${s#* } i=$((i + 1))
done
case $3 in 0 | "${s%% *}") ;; *) exit 3 ;; esac
p=$2
case $4:$g in "group:$2") p=-$2 ;; esac
kill "-$1" "$p" 2>/dev/null && exit 0
# What is there, and could not be signalled, may not be.
[ -e "/proc/$2" ] && exit 4
exit 3
