# What the tests need of others, for tests/run and tests/faults: `need_…` installs it where we may, `…_found` tells
# whether it is there, and `missing` lists what is not. To be sourced by bash from the root of the repository.

missing=()

# Installs a package of Debian's where we may.
debian() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "tests/run: installing $1" >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1"; } >/dev/null || true
  fi
}

postgres_found() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }

need_postgres() {
  postgres_found || debian postgresql
  postgres_found || missing+=("PostgreSQL (Debian package postgresql): the tests on PostgreSQL, and of several processes, are left out")
}

# Without it, no clock steps in the fault harness, which says so.
want_faketime() { [ -e /usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1 ] || debian libfaketime; }

clamd_found() { [ -x /usr/sbin/clamd ]; }

need_clamd() {
  clamd_found || debian clamav-daemon
  clamd_found || missing+=("clamd (Debian package clamav-daemon): the tests of several processes are left out")
}

venv="${CARGO_TARGET_DIR:-target}/tests-venv"
# The tools of others, each at a fixed version.
tools='bagit==1.9.0 setuptools<81 boto3==1.43.106 ministack==1.5.33 cfn-lint==1.58.0'
tools_found() { [ -x "$venv/bin/python" ] && [ "$(cat "$venv/tools" 2>/dev/null)" = "$tools" ]; }

need_tools() {
  tools_found && return 0
  # Debian's python3 comes without what a virtual environment is made with.
  python3 -c 'import ensurepip, venv' 2>/dev/null || debian python3-venv
  if command -v python3 >/dev/null; then
    echo "tests/run: installing bagit-python, ministack, boto3 and cfn-lint into $venv" >&2
    # shellcheck disable=SC2086 # one argument each
    { python3 -m venv "$venv" && "$venv/bin/pip" install -q $tools && echo "$tools" >"$venv/tools"; } >&2 || true
  fi
  tools_found || missing+=("bagit, ministack, boto3, cfn-lint (python3 with venv, PyPI): the tests against bagit-python, S3, SQS and the AWS templates are left out")
}

# What runs in Node.js: the provider that tokens come from in tests/it/identity.rs (tests/oidc), and the audit of
# GraphQL over HTTP in tests/it/graphql_http.rs (tests/audit), each with what its lock names, beside the build.
npm_folder() { echo "${CARGO_TARGET_DIR:-target}/tests-$1"; }
npm_found() { [ -d "$(npm_folder "$1")/node_modules/$2" ] && cmp -s "tests/$1/package-lock.json" "$(npm_folder "$1")/package-lock.json"; }

node_found() { command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' 2>/dev/null; }

# need_npm FOLDER PACKAGE SCRIPT WHAT-IS-LEFT-OUT
need_npm() {
  command -v node >/dev/null || debian nodejs
  command -v npm >/dev/null || debian npm
  local folder
  folder="$(npm_folder "$1")"
  if node_found; then
    mkdir -p "$folder"
    if ! npm_found "$1" "$2"; then
      echo "tests/run: installing $2 into $folder" >&2
      cp "tests/$1/package.json" "tests/$1/package-lock.json" "$folder/"
      (cd "$folder" && npm ci --no-audit --no-fund --silent) >&2 || rm -f "$folder/package-lock.json"
    fi
    cp "tests/$1/$3" "$folder/"
  fi
  npm_found "$1" "$2" || missing+=("npm package $2 (Node.js 18 or later with npm): $4 left out")
}
