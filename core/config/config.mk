# core/config: key files and option tables
bbhostinclude_HEADERS += %D%/bb-option.h
libbbcore_la_SOURCES += %D%/bb-config.h %D%/bb-interpolate.h
