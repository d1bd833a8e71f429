# data: files that are installed as they are, and those that say where things are
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = data/bbhost-plugin-1.pc
EXTRA_DIST += %D%/bbhost-plugin-1.pc.in
# To begin with; packages have the first one as /etc/bbhost/bbhost.conf.
exampledir = $(docdir)/examples
dist_example_DATA = %D%/examples/bbhost.conf %D%/examples/quickstart.conf %D%/examples/ec2.conf
# For the images and user data of machines that cost money.
dist_pkgdata_SCRIPTS = data/bbhost-dead-man contrib/master-cfg-to-bbhost
dist_pkgdata_DATA = data/bbhost-dead-man.service

# Completion of bbctl, where the shells look for it.
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = data/completions/_bbctl
EXTRA_DIST += %D%/completions/bbctl.bash
# Bash looks for a file of the command's own name.
install-data-local: install-bash-completion
install-bash-completion:
	$(MKDIR_P) $(DESTDIR)$(bashcompletiondir)
	$(INSTALL_DATA) $(srcdir)/data/completions/bbctl.bash $(DESTDIR)$(bashcompletiondir)/bbctl
uninstall-local: uninstall-bash-completion
uninstall-bash-completion:
	rm -f $(DESTDIR)$(bashcompletiondir)/bbctl
.PHONY: install-bash-completion uninstall-bash-completion

# What makes it a service of the system.
systemdunit_DATA = %D%/bbhost.service
sysusers_DATA = %D%/sysusers/bbhost.conf
tmpfiles_DATA = %D%/tmpfiles/bbhost.conf
buspolicydir = $(datadir)/dbus-1/system.d
buspolicy_DATA = %D%/org.bbhost.conf
busservicedir = $(datadir)/dbus-1/system-services
busservice_DATA = %D%/org.bbhost.service
businterfacedir = $(datadir)/dbus-1/interfaces
dist_businterface_DATA = core/bus/org.bbhost.xml
polkitactiondir = $(datadir)/polkit-1/actions
polkitaction_DATA = %D%/org.bbhost.policy

substituted_data = $(systemdunit_DATA) $(sysusers_DATA) $(tmpfiles_DATA) $(buspolicy_DATA) $(busservice_DATA) \
	$(polkitaction_DATA)
CLEANFILES += $(substituted_data)
EXTRA_DIST += %D%/bbhost.service.in %D%/bbhost.sysusers.in %D%/bbhost.tmpfiles.in %D%/org.bbhost.conf.in \
	%D%/org.bbhost.service.in %D%/org.bbhost.policy.in
# Not by configure, which knows these folders only as text with variables in it.
substitute = $(AM_V_GEN)$(MKDIR_P) $(@D) && $(SED) -e 's,@sbindir\@,$(sbindir),g' -e 's,@bindir\@,$(bindir),g' \
	-e 's,@localstatedir\@,$(localstatedir),g' -e 's,@bbhostconfdir\@,$(bbhostconfdir),g' \
	-e 's,@BBHOST_USER\@,$(BBHOST_USER),g' $< >$@
%D%/bbhost.service: %D%/bbhost.service.in Makefile
	$(substitute)
%D%/sysusers/bbhost.conf: %D%/bbhost.sysusers.in Makefile
	$(substitute)
%D%/tmpfiles/bbhost.conf: %D%/bbhost.tmpfiles.in Makefile
	$(substitute)
%D%/org.bbhost.conf: %D%/org.bbhost.conf.in Makefile
	$(substitute)
%D%/org.bbhost.policy: %D%/org.bbhost.policy.in Makefile
	$(substitute)
%D%/org.bbhost.service: %D%/org.bbhost.service.in Makefile
	$(substitute)
