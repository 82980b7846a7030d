# shellcheck shell=bash disable=SC2154
# Real files of this machine, copied once so that a second run finds the same: texts, pictures, libraries, and a tar of
# large ones. Uses $work and $root.

large_bytes=$((256 << 20))

files_count() { find "$work/files" -type f | wc -l; }

files_gather() {
    title 'Real files of this machine'
    if [[ ! -e $work/gathered ]]; then
        rm -rf "$work/files"
        mkdir -p "$work/files/texts" "$work/files/pictures" "$work/files/libraries"
        files_texts
        files_pictures
        files_libraries
        files_large
        touch "$work/gathered"
    fi
    say "$(files_count) small ones ($(du -sh "$work/files" | cut -f1)): texts, pictures, libraries"
    say "a tar of large ones ($(du -h "$work/large.tar" | cut -f1))"
}

# files_found N FIND-ARGUMENT…: the first N by name. What find cannot read does not matter.
files_found() {
    local most=$1
    shift
    find "$@" >"$work/found" 2>"$work/find.log" || true
    sort -o "$work/found" "$work/found"
    head -n "$most" "$work/found"
}

files_texts() {
    local package
    for package in /usr/share/doc/*/; do
        [[ -s $package/copyright ]] || continue
        cp -L "$package/copyright" "$work/files/texts/$(basename "$package").txt"
        (($(find "$work/files/texts" -type f | wc -l) < 150)) || break
    done
}

files_pictures() {
    local picture
    while read -r picture; do
        cp -L "$picture" "$work/files/pictures/" || true
    done < <(files_found 60 /usr/share /usr/lib -type f -size -1024k \
        \( -name '*.png' -o -name '*.jpg' -o -name '*.svg' -o -name '*.gif' \))
}

files_libraries() {
    local library
    while read -r library; do
        cp -L "$library" "$work/files/libraries/"
    done < <(files_found 12 /usr/lib -type f -name '*.so*' -size +300k -size -3000k)
}

# The largest files, until there are enough bytes for many parts; what apt and ./dev have brought is always enough.
# A folder that is not there, or a file that goes away meanwhile, does not matter.
files_large() {
    find /usr/lib /usr/bin /usr/share "${MR_DEPS_DIR:-$root/.deps}" -xdev -type f -size +500k -printf '%s %p\n' \
        >"$work/large.all" 2>"$work/find.log" || true
    sort -rn -o "$work/large.all" "$work/large.all"
    awk -v enough="$large_bytes" '{ sum += $1; sub(/^[0-9]+ /, ""); print } sum > enough { exit }' \
        "$work/large.all" >"$work/large.list"
    tar -cf "$work/large.tar" --absolute-names --sort=name --ignore-failed-read -T "$work/large.list"
}
