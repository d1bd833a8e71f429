# tests/plugins: two good plugins, and some that are wrong on purpose. -rpath makes libtool build them as shared modules.
test_plugin_ldflags = $(plugin_ldflags) -rpath /nowhere

check_LTLIBRARIES += %D%/cloud.la %D%/mailer.la %D%/old-abi.la %D%/new-abi.la %D%/short.la %D%/wrong-name.la \
	%D%/no-entry.la %D%/no-slave.la %D%/unresolved.la

%C%_cloud_la_SOURCES = %D%/cloud.c
%C%_cloud_la_CPPFLAGS = $(plugin_cppflags)
%C%_cloud_la_LDFLAGS = $(test_plugin_ldflags)
%C%_cloud_la_LIBADD = $(plugin_libs)

%C%_mailer_la_SOURCES = %D%/mailer.c %D%/mailer.h
%C%_mailer_la_CPPFLAGS = $(plugin_cppflags)
%C%_mailer_la_LDFLAGS = $(test_plugin_ldflags)
%C%_mailer_la_LIBADD = $(plugin_libs)

%C%_old_abi_la_SOURCES = %D%/cloud.c
%C%_old_abi_la_CPPFLAGS = $(plugin_cppflags) -DCLOUD_NAME=\"old-abi\" -DCLOUD_ABI='(BB_PLUGIN_ABI - 1)'
%C%_old_abi_la_LDFLAGS = $(test_plugin_ldflags)
%C%_old_abi_la_LIBADD = $(plugin_libs)

%C%_new_abi_la_SOURCES = %D%/cloud.c
%C%_new_abi_la_CPPFLAGS = $(plugin_cppflags) -DCLOUD_NAME=\"new-abi\" -DCLOUD_ABI='(BB_PLUGIN_ABI + 1)'
%C%_new_abi_la_LDFLAGS = $(test_plugin_ldflags)
%C%_new_abi_la_LIBADD = $(plugin_libs)

%C%_short_la_SOURCES = %D%/cloud.c
%C%_short_la_CPPFLAGS = $(plugin_cppflags) -DCLOUD_NAME=\"short\" -DCLOUD_SIZE=8
%C%_short_la_LDFLAGS = $(test_plugin_ldflags)
%C%_short_la_LIBADD = $(plugin_libs)

%C%_wrong_name_la_SOURCES = %D%/cloud.c
%C%_wrong_name_la_CPPFLAGS = $(plugin_cppflags) -DCLOUD_NAME=\"right-name\"
%C%_wrong_name_la_LDFLAGS = $(test_plugin_ldflags)
%C%_wrong_name_la_LIBADD = $(plugin_libs)

%C%_no_entry_la_SOURCES = %D%/no-entry.c
%C%_no_entry_la_LDFLAGS = $(SANITIZER_CFLAGS) -module -avoid-version -shared -rpath /nowhere

%C%_no_slave_la_SOURCES = %D%/no-slave.c
%C%_no_slave_la_CPPFLAGS = $(plugin_cppflags)
%C%_no_slave_la_LDFLAGS = $(test_plugin_ldflags)
%C%_no_slave_la_LIBADD = $(plugin_libs)

# Without -no-undefined.
%C%_unresolved_la_SOURCES = %D%/unresolved.c
%C%_unresolved_la_CPPFLAGS = $(plugin_cppflags)
%C%_unresolved_la_LDFLAGS = $(SANITIZER_CFLAGS) -module -avoid-version -shared -rpath /nowhere
%C%_unresolved_la_LIBADD = $(plugin_libs)
