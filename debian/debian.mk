# debian: the packages of Debian; a package is built from the tarball as well as from a checkout
EXTRA_DIST += \
	%D%/bbhost-doc.examples \
	%D%/bbhost-doc.install \
	%D%/bbhost-plugin-ec2.docs \
	%D%/bbhost-plugin-ec2.install \
	%D%/bbhost-plugin-ec2.prerm \
	%D%/bbhost-plugin-ec2.triggers \
	%D%/bbhost-plugin-libvirt.docs \
	%D%/bbhost-plugin-libvirt.install \
	%D%/bbhost-plugin-libvirt.prerm \
	%D%/bbhost-plugin-libvirt.triggers \
	%D%/bbhost-plugin-openstack.docs \
	%D%/bbhost-plugin-openstack.install \
	%D%/bbhost-plugin-openstack.prerm \
	%D%/bbhost-plugin-openstack.triggers \
	%D%/bbhost-plugin-smtp.docs \
	%D%/bbhost-plugin-smtp.install \
	%D%/bbhost-plugin-smtp.triggers \
	%D%/bbhost.dirs \
	%D%/bbhost.docs \
	%D%/bbhost.install \
	%D%/bbhost.postinst \
	%D%/bbhost.postrm \
	%D%/bbhost.prerm \
	%D%/bbhost.triggers \
	%D%/changelog \
	%D%/control \
	%D%/copyright \
	%D%/libbbhost-1-0.install \
	%D%/libbbhost-1-0.symbols \
	%D%/libbbhost-dev.install \
	%D%/rules \
	%D%/source/format
