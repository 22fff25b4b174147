#!/bin/sh
# image.sh FOLDER ANSWER LATCHKEY: makes FOLDER/images.tar, an OCI archive with two images of busybox, a
# pause container and a hello-server that runs the script ANSWER for each connection to port 80, and one of
# the binary LATCHKEY with the libraries it needs.
set -eu
folder=$1 answer=$2 latchkey=$3
work=$folder/image
mkdir -p "$work/rootfs/bin" "$work/rootfs/tmp" "$work/rootfs/etc" "$work/oci/blobs/sha256"
cp /bin/busybox "$work/rootfs/bin/busybox"
for applet in sh sleep nc cat; do ln -s busybox "$work/rootfs/bin/$applet"; done
install -m 755 "$answer" "$work/rootfs/bin/answer"

# Adds a file to the archive by its digest, which it prints.
blob() {
  digest=$(sha256sum "$1" | cut -d' ' -f1)
  cp "$1" "$work/oci/blobs/sha256/$digest"
  printf %s "$digest"
}
size() { stat -c %s "$work/oci/blobs/sha256/$1"; }

# Makes the layer that the images after it have, of the folder ROOT.
layer() {
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$1" -cf "$work/layer.tar" .
  diff=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
  gzip -1 -n -f "$work/layer.tar"
  layer=$(blob "$work/layer.tar.gz")
}

architecture=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
oci=application/vnd.oci.image

# Prints the index entry of the image NAME that runs CMD, a JSON list, as USER.
image() {
  printf '{"architecture":"%s","os":"linux","config":{"User":"%s","Env":["PATH=/bin"],"Cmd":%s},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$architecture" "$3" "$2" "$diff" >"$work/config"
  config=$(blob "$work/config")
  printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json","digest":"sha256:%s","size":%d},"layers":[{"mediaType":"%s.layer.v1.tar+gzip","digest":"sha256:%s","size":%d}]}' \
    "$oci" "$oci" "$config" "$(size "$config")" "$oci" "$layer" "$(size "$layer")" >"$work/manifest"
  manifest=$(blob "$work/manifest")
  printf '{"mediaType":"%s.manifest.v1+json","digest":"sha256:%s","size":%d,"annotations":{"io.containerd.image.name":"%s"}}' \
    "$oci" "$manifest" "$(size "$manifest")" "$1"
}

layer "$work/rootfs"
pause=$(image latchkey.test/pause:1 '["/bin/sleep","2147483647"]' 0:0)
server=$(image latchkey.test/hello-server:1 '["/bin/nc","-ll","-p","80","-e","/bin/answer"]' 0:0)

# As the Dockerfile has it, but for a binary that is not static.
mkdir "$work/agent"
strip -o "$work/agent/latchkey" "$latchkey"
ldd "$latchkey" | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$work/agent$(dirname "$library")"
  cp -L "$library" "$work/agent$library"
done
layer "$work/agent"
agent=$(image latchkey.test/latchkey:1 '["/latchkey"]' 65532:65532)

printf '{"schemaVersion":2,"manifests":[%s,%s,%s]}' "$pause" "$server" "$agent" >"$work/oci/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' >"$work/oci/oci-layout"
tar -C "$work/oci" -cf "$folder/images.tar" .
rm -rf "$work"
