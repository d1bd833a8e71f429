#!/bin/sh
# Makes ./configure from configure.ac; needs autoconf, automake, libtool, autopoint and pkgconf.
set -e
cd "$(dirname "$0")"
exec autoreconf --force --install
