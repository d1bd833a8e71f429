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
endif
