# shellcheck shell=bash
verb_test() { die "not yet"; }
