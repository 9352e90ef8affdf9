# What ./run, ./test and .ci/run share. Sourced by them, with $repository set to the checkout.

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
configuration=Release
artifacts=$repository/artifacts

say() { printf '%s\n' "$*" >&2; }

refuse() { say "townhall: $*"; exit 69; }

have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }

have_postgres() { have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }

# Files, because a library answers no command; one of the two places is enough.
have_argon2() { compgen -G '/usr/lib/*/libargon2.so.1' >/dev/null || compgen -G '/usr/lib*/libargon2.so.1' >/dev/null; }

# Installs what is missing where that is allowed, else says in one line what to install.
# ensure_programs <what needs them> : needs redis-server and postgres unless servers elsewhere are named.
ensure_programs() {
  have dotnet || refuse "the .NET 10 SDK is missing: https://dotnet.microsoft.com/download"
  local need=() want=()
  [ -n "$(printenv ConnectionStrings__redis REDIS_URL TINYTOWN_REDIS_HOST)" ] || have redis-server || need+=(redis-server)
  [ -n "$(printenv ConnectionStrings__town)" ] || have_postgres || need+=(postgresql)
  { have setpriv && have setsid && have flock; } || need+=(util-linux)
  have bwrap || want+=(bubblewrap)
  have git || want+=(git)
  have curl || want+=(curl)
  # Only a configured key hash (TOWN_AUTH_API_KEY_HASH) needs it.
  have_argon2 || want+=(libargon2-1)
  [ ${#need[@]} -eq 0 ] && [ ${#want[@]} -eq 0 ] && return 0

  if [ "$(id -u)" = 0 ] && have apt-get; then
    say "installing ${need[*]} ${want[*]} (apt-get)"
    local log
    log=$(mktemp)
    if { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${need[@]}" "${want[@]}"; } \
        >"$log" 2>&1 </dev/null; then
      rm -f "$log"
      return 0
    fi
    tail -n 5 "$log" >&2
    rm -f "$log"
  fi
  [ ${#need[@]} -eq 0 ] || refuse "please install: sudo apt-get install ${need[*]} ${want[*]}"
  say "note: without ${want[*]} some things work less well: sudo apt-get install ${want[*]}"
}

# Decides the shelf (docs/decisions/0008-two-shelves.md) and says so in one line. An explicit AspirePackages in the environment wins.
choose_shelf() {
  local version why
  version=$(sed -n 's:.*<AspireVersion>\(.*\)</AspireVersion>.*:\1:p' "$repository/Directory.Build.props")
  if [ -n "${AspirePackages:-}" ]; then
    why="AspirePackages=$AspirePackages in the environment"
  elif ! container_engine; then
    # Without an engine the real packages could not run their containers, so they are not even looked for.
    AspirePackages=false why="no container engine answers"
  elif aspire_packages "$version"; then
    AspirePackages=true why="Aspire $version and a container engine are here"
  else
    AspirePackages=false why="the package registry does not have Aspire $version"
  fi
  export AspirePackages
  if [ "$AspirePackages" = true ]; then say "packages: the real ones ($why)"; else say "packages: the stand-ins of offline/ ($why)"; fi
}

container_engine() {
  { have docker && timeout 3 docker info >/dev/null 2>&1 </dev/null; } || { have podman && timeout 3 podman info >/dev/null 2>&1 </dev/null; }
}

# True when the packages are in the local folder, after one try to bring them there; a failed try is remembered for a day.
aspire_packages() {
  local folder=${NUGET_PACKAGES:-$HOME/.nuget/packages}/aspire.apphost.sdk/$1 tried=$artifacts/aspire-$1.missing project
  [ -d "$folder" ] && return 0
  [ -n "$(find "$tried" -mtime -1 2>/dev/null)" ] && return 1
  project=$(mktemp -d)
  cat >"$project/try.csproj" <<XML
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><TargetFramework>net10.0</TargetFramework></PropertyGroup>
  <ItemGroup>
    <PackageDownload Include="Aspire.AppHost.Sdk" Version="[$1]" />
    <PackageReference Include="Aspire.Hosting.Redis" Version="$1" />
    <PackageReference Include="Aspire.Hosting.PostgreSQL" Version="$1" />
    <PackageReference Include="Aspire.Npgsql" Version="$1" />
    <PackageReference Include="Aspire.StackExchange.Redis" Version="$1" />
  </ItemGroup>
</Project>
XML
  if timeout 120 dotnet restore "$project/try.csproj" -v q >/dev/null 2>&1 </dev/null && [ -d "$folder" ]; then
    rm -rf "$project"
    return 0
  fi
  rm -rf "$project"
  mkdir -p "$artifacts" && touch "$tried"
  return 1
}

# Every file that a build reads. Folders named in $unbuilt do not belong to this build.
unbuilt=()
source_files() {
  local prune=(-name bin -o -name obj -o -name .git -o -name .town -o -name artifacts -o -name node_modules) folder
  for folder in "${unbuilt[@]}"; do prune+=(-o -path "$repository/$folder"); done
  find "$repository" -mindepth 1 \( "${prune[@]}" \) -prune -o \
    -type f \( -name '*.cs' -o -name '*.csproj' -o -name '*.props' -o -name '*.targets' -o -name '*.sql' -o -name '*.lua' \
    -o -name '*.razor' -o -name '*.css' -o -name '*.js' -o -name '*.html' -o -name '*.json' -o -name 'BannedSymbols*.txt' -o -name .editorconfig \) "$@" -print
}

# build <stamp name> <project or solution>... : builds unless nothing changed since that stamp.
# No build server survives it: a compiler server of its own, ended afterwards, and no reused MSBuild nodes.
build() {
  local name=$1 stamp signature started
  shift
  mkdir -p "$artifacts"
  stamp=$artifacts/$name.stamp
  exec 9>"$artifacts/build.lock"
  flock 9
  signature=$({ source_files | sort; printf '%s\n' "$repository" "$AspirePackages" "$(dotnet --version)" "$*"; } | sha256sum)
  if [ "$(cat "$stamp" 2>/dev/null)" = "$signature" ] && [ -z "$(source_files -newer "$stamp" | head -n 1)" ]; then
    exec 9>&-
    return 0
  fi

  say "building (the first time takes a minute or two)"
  started=$(mktemp "$artifacts/started.XXXXXX")
  local server=townhall-build-$$ result=0 project
  for project in "$@"; do
    MSBUILDDISABLENODEREUSE=1 dotnet build "$project" -c "$configuration" --nologo -v minimal -tl:off \
      -p:SharedCompilationId="$server" </dev/null 9>&- || { result=1; break; }
  done
  end_compiler "$server"
  if [ $result = 0 ]; then
    # Dated from before the build, so that what was saved while it ran counts as a change.
    printf '%s\n' "$signature" >"$stamp"
    touch -r "$started" "$stamp"
  fi
  rm -f "$started"
  exec 9>&-
  return $result
}

# Ends the one compiler server that serves the pipe of this name.
end_compiler() {
  local directory
  for directory in /proc/[0-9]*; do
    if { tr '\0' ' ' <"$directory/cmdline" | grep -q -- "-pipename:$1"; } 2>/dev/null; then
      kill "${directory#/proc/}" 2>/dev/null
    fi
  done
}
