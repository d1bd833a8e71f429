# core/config: key files and option tables
bbhostinclude_HEADERS += %D%/bb-interpolate.h %D%/bb-option.h
# In the shared library: what every slave and every request needs of it.
libbbhost_1_la_SOURCES += %D%/bb-option.c %D%/bb-option.h %D%/bb-option-struct.c %D%/bb-option-struct.h \
	%D%/bb-interpolate.c %D%/bb-interpolate.h
libbbcore_la_SOURCES += %D%/bb-config.c %D%/bb-config.h %D%/bb-config-private.h \
	%D%/bb-config-file.c %D%/bb-config-file.h %D%/bb-config-loader.c %D%/bb-config-range.c \
	%D%/bb-config-host.c %D%/bb-config-slave.c %D%/bb-config-step.c %D%/bb-config-builder.c \
	%D%/bb-config-notifier.c %D%/bb-config-tables.c %D%/bb-config-tables.h
