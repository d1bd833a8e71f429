# data: files that are installed as they are
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = data/bbhost-plugin-1.pc
EXTRA_DIST += %D%/bbhost-plugin-1.pc.in
EXTRA_DIST += %D%/examples/quickstart.conf %D%/examples/ec2.conf
# For the images and user data of machines that cost money.
dist_pkgdata_SCRIPTS = data/bbhost-dead-man
dist_pkgdata_DATA = data/bbhost-dead-man.service
