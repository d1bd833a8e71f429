# cli: bbctl, which knows nothing but D-Bus. What can be tested without a daemon is a library of its own.
noinst_LTLIBRARIES += libbbctl.la
libbbctl_la_SOURCES = \
	%D%/bbctl-build.c \
	%D%/bbctl-builds.c \
	%D%/bbctl-bus.c \
	%D%/bbctl-follow.c %D%/bbctl-follow.h \
	%D%/bbctl-host.c \
	%D%/bbctl-instances.c \
	%D%/bbctl-json.c %D%/bbctl-json.h \
	%D%/bbctl-log.c \
	%D%/bbctl-monitor.c \
	%D%/bbctl-output.c %D%/bbctl-output.h \
	%D%/bbctl-progress.c %D%/bbctl-progress.h \
	%D%/bbctl-properties.c %D%/bbctl-properties.h \
	%D%/bbctl-run.c \
	%D%/bbctl-slaves.c \
	%D%/bbctl-tail.c %D%/bbctl-tail.h \
	%D%/bbctl-terminal.c %D%/bbctl-terminal.h \
	%D%/bbctl.h
libbbctl_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
bbctl_SOURCES = %D%/bbctl-main.c
bbctl_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
bbctl_LDADD = libbbctl.la $(GLIB_LIBS) $(JSON_LIBS)
