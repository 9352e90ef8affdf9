#!/usr/bin/env bash
# Packs the client and tt, installs tt as a .NET tool from those packages alone into a folder that is gone afterwards, and runs it.
set -euo pipefail

repository=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for project in client/Townhall.Client.csproj cli/Tt.csproj; do
  dotnet pack "$repository/$project" -c Release -o "$folder/packages" --nologo -v quiet -tl:off
done
ls "$folder/packages"

# No other source: what is installed is what was packed here.
cat >"$folder/nuget.config" <<TEXT
<configuration><packageSources><clear /><add key="packed" value="$folder/packages" /></packageSources></configuration>
TEXT
dotnet tool install Townhall.Tt --tool-path "$folder/bin" --configfile "$folder/nuget.config" >"$folder/install.log" ||
  { cat "$folder/install.log"; exit 1; }

tt=$folder/bin/tt
"$tt" --version
"$tt" fleet run --help | head -n 1 | grep -qx 'Examples:' || { echo "the help of the installed tool is not tt's"; exit 1; }
code=0
"$tt" status --url http://127.0.0.1:1 2>"$folder/error.log" || code=$?
[ $code -eq 9 ] || { echo "without a town the installed tool ended with $code, not 9"; cat "$folder/error.log"; exit 1; }
echo "the installed tt works"
