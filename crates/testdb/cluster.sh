#!/bin/sh
# A PostgreSQL cluster in FOLDER, reached by the socket there and by nothing else, until our input ends: so it
# ends with whoever started it, also when that is killed. `FOLDER/ready` appears when it takes connections.
#
#   cluster.sh FOLDER            starts one
#   cluster.sh FOLDER restart    stops the one there as a crash would, and starts it again
#   cluster.sh FOLDER stop       stops it as a crash would
set -eu
folder=$1
bin=$(ls -d /usr/lib/postgresql/*/bin /usr/local/pgsql/bin 2>/dev/null | sort -V | while read -r bin; do
  if [ -x "$bin/initdb" ]; then echo "$bin"; fi
done | tail -n 1)
if [ -z "$bin" ]; then
  echo "PostgreSQL is not installed: tests/run installs Debian's package postgresql" >"$folder/log"
  exit 1
fi
# PostgreSQL does not run as root.
as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
case "${2:-}" in
  restart | stop)
    cd "$folder"
    as "$bin/pg_ctl" -w -t 60 -m immediate -D "$folder/data" -l "$folder/server.log" "$2" >>"$folder/log" 2>&1
    exit
    ;;
esac
if [ "$(id -u)" = 0 ]; then chown postgres "$folder"; fi
chmod 755 "$folder"
cd "$folder"
as "$bin/initdb" --no-sync -A trust -U postgres -E UTF8 --locale=C -D "$folder/data" >"$folder/log" 2>&1
as "$bin/pg_ctl" -w -t 60 -D "$folder/data" -l "$folder/server.log" \
  -o "-k '$folder' -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=400" \
  start >>"$folder/log" 2>&1
touch ready
cat >/dev/null
as "$bin/pg_ctl" -m immediate -D "$folder/data" stop >>"$folder/log" 2>&1 || true
rm -rf "$folder"
