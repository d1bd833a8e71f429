# core/bus: the D-Bus faces
libbbcore_la_SOURCES += \
	%D%/bb-authority.c %D%/bb-authority.h \
	%D%/bb-bus-build.c \
	%D%/bb-bus-call.c \
	%D%/bb-bus-changes.c %D%/bb-bus-changes.h \
	%D%/bb-bus-face.c %D%/bb-bus-face.h \
	%D%/bb-bus-host.c \
	%D%/bb-bus-listing.c \
	%D%/bb-bus-instance.c \
	%D%/bb-bus-path.c %D%/bb-bus-path.h \
	%D%/bb-bus-private.h \
	%D%/bb-bus-slave.c \
	%D%/bb-bus.c %D%/bb-bus.h \
	%D%/bb-owner-authority.c \
	%D%/bb-polkit-authority.c
nodist_libbbcore_la_SOURCES += %D%/bb-bus-info.c %D%/bb-bus-info.h
BUILT_SOURCES += %D%/bb-bus-info.h
CLEANFILES += %D%/bb-bus-info.c %D%/bb-bus-info.h

%D%/bb-bus-info.h: %D%/org.bbhost.xml
	$(AM_V_GEN)$(MKDIR_P) %D% && $(GDBUS_CODEGEN) --interface-info-header --c-namespace BbBus --pragma-once \
		--output $@ $(srcdir)/%D%/org.bbhost.xml
%D%/bb-bus-info.c: %D%/org.bbhost.xml %D%/bb-bus-info.h
	$(AM_V_GEN)$(GDBUS_CODEGEN) --interface-info-body --c-namespace BbBus \
		--output $@ $(srcdir)/%D%/org.bbhost.xml
