# data: files that are installed as they are
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = data/bbhost-plugin-1.pc
EXTRA_DIST += %D%/bbhost-plugin-1.pc.in
EXTRA_DIST += %D%/examples/quickstart.conf %D%/examples/ec2.conf
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
