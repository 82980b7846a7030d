# shellcheck shell=bash
verb_lint() { :; }
verb_fmt() { :; }
