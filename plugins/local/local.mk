# plugins/local: slaves as processes of this machine
plugin_LTLIBRARIES += %D%/local.la
%C%_local_la_SOURCES = %D%/bb-local-plugin.c %D%/bb-local-slave.c %D%/bb-local-slave.h \
	%D%/bb-local-start.c %D%/bb-local-start.h %D%/bb-local-stop.c %D%/bb-local-stop.h \
	%D%/bb-local-target.c %D%/bb-local-target.h \
	%D%/bb-local-process.c %D%/bb-local-process.h %D%/bb-local-folder.c %D%/bb-local-folder.h
%C%_local_la_CPPFLAGS = $(plugin_cppflags)
%C%_local_la_LDFLAGS = $(plugin_ldflags)
%C%_local_la_LIBADD = $(plugin_libs)
EXTRA_DIST += %D%/README.md
