# doc/doc.mk
EXTRA_DIST += %D%/substantiation.md %D%/make-substantiation.py %D%/architecture.md %D%/performance.md %D%/testing.md %D%/migrating.md %D%/writing-a-plugin.md \
	%D%/security.md

# Manual pages, with options out of the tables that the daemon reads them by.
noinst_PROGRAMS += %D%/make-manual
doc_make_manual_SOURCES = %D%/make-manual.c
doc_make_manual_LDADD = libbbcore.la libbbhost-1.la $(GLIB_LIBS) $(GMODULE_LIBS)
pages = %D%/man/bbhostd.8 %D%/man/bbctl.1 %D%/man/bbhost-plugin-check.1 %D%/man/bbhost.conf.5 %D%/man/bbhost-local.5
if BUILD_EC2
pages += %D%/man/bbhost-ec2.5
%D%/man/bbhost-ec2.5: plugins/ec2/ec2.la
endif
if BUILD_LIBVIRT
pages += %D%/man/bbhost-libvirt.5
%D%/man/bbhost-libvirt.5: plugins/libvirt/libvirt.la
endif
if BUILD_OPENSTACK
pages += %D%/man/bbhost-openstack.5
%D%/man/bbhost-openstack.5: plugins/openstack/openstack.la
endif
if BUILD_SMTP
pages += %D%/man/bbhost-smtp.5
%D%/man/bbhost-smtp.5: plugins/smtp/smtp.la
endif
nodist_man_MANS = $(pages)
CLEANFILES += $(pages)
EXTRA_DIST += %D%/man/bbhostd.8.in %D%/man/bbctl.1.in %D%/man/bbhost-plugin-check.1.in %D%/man/bbhost.conf.5.in %D%/man/bbhost-local.5.in \
	%D%/man/bbhost-ec2.5.in %D%/man/bbhost-libvirt.5.in %D%/man/bbhost-openstack.5.in %D%/man/bbhost-smtp.5.in
# LeakSanitizer has nothing to say about a program that ends at once, and can't work where ptrace is forbidden.
$(pages): %D%/man/%: %D%/man/%.in %D%/make-manual$(EXEEXT) plugins/local/local.la
	$(AM_V_GEN)$(MKDIR_P) %D%/man && ASAN_OPTIONS=detect_leaks=0 %D%/make-manual$(EXEEXT) $< \
	  plugins/local/.libs plugins/ec2/.libs plugins/libvirt/.libs plugins/openstack/.libs plugins/smtp/.libs >$@.new && mv $@.new $@

# For administrators, and for programs: D-Bus, out of the description that the code is made from.
docfiles = README.md %D%/architecture.md %D%/migrating.md %D%/operations.md %D%/performance.md %D%/security.md %D%/testing.md \
	%D%/writing-a-plugin.md
dist_doc_DATA = $(docfiles)
nodist_doc_DATA = %D%/dbus.md
CLEANFILES += %D%/dbus.md
EXTRA_DIST += %D%/make-dbus.py
%D%/dbus.md: %D%/make-dbus.py core/bus/org.bbhost.xml core/bb-error.h core/bus/bb-bus-face.h
	$(AM_V_GEN)$(MKDIR_P) %D% && $(PYTHON3) $(srcdir)/%D%/make-dbus.py >$@.new && mv $@.new $@
