# tests/libvirt.mk: the libvirt backend, without a hypervisor and with one
if BUILD_LIBVIRT
libvirt_test_cppflags = $(test_cppflags) -I$(top_builddir)/include -I$(top_srcdir)/plugins/libvirt
libvirt_test_libs = plugins/libvirt/libbblibvirt.la $(test_libs) $(LIBVIRT_LIBS)

check_PROGRAMS += tests/test-libvirt-document
tests_test_libvirt_document_SOURCES = %D%/test-libvirt-document.c
tests_test_libvirt_document_CPPFLAGS = $(libvirt_test_cppflags)
tests_test_libvirt_document_CFLAGS = $(AM_CFLAGS) $(LIBVIRT_CFLAGS)
tests_test_libvirt_document_LDADD = $(libvirt_test_libs)
TESTS += tests/test-libvirt-document

check_PROGRAMS += tests/test-libvirt
tests_test_libvirt_SOURCES = %D%/test-libvirt.c $(suite_latent)
tests_test_libvirt_CPPFLAGS = $(libvirt_test_cppflags)
tests_test_libvirt_CFLAGS = $(AM_CFLAGS) $(LIBVIRT_CFLAGS)
tests_test_libvirt_LDADD = $(libvirt_test_libs)
TESTS += tests/test-libvirt

# A real libvirtd and QEMU, where there are; otherwise it says why not.
TESTS += %D%/integration/test-libvirt.py

# Many virtual machines, emulated: many minutes on a machine that has other work, so it is asked for.
.PHONY: check-libvirt
check-libvirt: all
	$(AM_TESTS_ENVIRONMENT) $(SHELL) $(top_srcdir)/tests/run-test /usr/bin/python3 \
	  $(srcdir)/tests/integration/test-libvirt.py
	$(AM_TESTS_ENVIRONMENT) BB_TEST_TIME_LIMIT=3600 $(SHELL) $(top_srcdir)/tests/run-test /usr/bin/python3 \
	  $(srcdir)/tests/integration/test-libvirt-guests.py
endif
EXTRA_DIST += %D%/integration/test-libvirt.py %D%/integration/test-libvirt-guests.py %D%/integration/vmhost.py \
	contrib/libvirt/README contrib/libvirt/demo contrib/libvirt/make-guest-image \
	contrib/libvirt/make-initramfs contrib/libvirt/private-libvirtd \
	contrib/libvirt/slave.xml contrib/libvirt/network.xml contrib/libvirt/guest/init \
	contrib/libvirt/guest/start-worker.py contrib/libvirt/guest/udhcpc.script
