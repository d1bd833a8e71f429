# core/config: key files and option tables
bbhostinclude_HEADERS += %D%/bb-option.h
# In the shared library: what every slave and every request needs of it.
libbbhost_1_la_SOURCES += %D%/bb-option.c %D%/bb-option.h %D%/bb-option-struct.c %D%/bb-option-struct.h \
	%D%/bb-interpolate.c %D%/bb-interpolate.h
libbbcore_la_SOURCES += %D%/bb-config.h
