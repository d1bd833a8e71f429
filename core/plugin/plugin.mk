# core/plugin: find, check and load modules
bbhostinclude_HEADERS += %D%/bb-plugin.h
libbbcore_la_SOURCES += %D%/bb-plugin-registry.c %D%/bb-plugin-registry.h
