# core/bus: the D-Bus faces
libbbcore_la_SOURCES += %D%/bb-bus.h %D%/bb-authority.h
