# cli: bbctl, which knows nothing but D-Bus
bbctl_SOURCES = %D%/main.c
bbctl_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
bbctl_LDADD = $(GLIB_LIBS) $(JSON_LIBS)
