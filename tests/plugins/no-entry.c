/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Some library, put into the wrong folder. */
int test_no_entry_answer (void);

int
test_no_entry_answer (void)
{
  return 42;
}
