# devel: for those who write plugins. What a backend must keep is said once, for them and for our own tests.
noinst_LTLIBRARIES += libbbconformance.la
libbbconformance_la_SOURCES = %D%/bb-conformance.c %D%/bb-conformance.h
libbbconformance_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/%D%
bin_PROGRAMS += bbhost-plugin-check
bbhost_plugin_check_SOURCES = %D%/bbhost-plugin-check.c
bbhost_plugin_check_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/%D%
bbhost_plugin_check_LDADD = libbbconformance.la libbbcore.la libbbhost-1.la $(GLIB_LIBS) $(GMODULE_LIBS)
