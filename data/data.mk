# data: files that are installed as they are
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = data/bbhost-plugin-1.pc
EXTRA_DIST += %D%/bbhost-plugin-1.pc.in
EXTRA_DIST += %D%/examples/quickstart.conf
