/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Everything that a plugin may use. */
#include <bbhost/bb-delay.h>
#include <bbhost/bb-error.h>
#include <bbhost/bb-instance-request.h>
#include <bbhost/bb-instance.h>
#include <bbhost/bb-interpolate.h>
#include <bbhost/bb-latent-slave.h>
#include <bbhost/bb-log.h>
#include <bbhost/bb-notice.h>
#include <bbhost/bb-notifier.h>
#include <bbhost/bb-option.h>
#include <bbhost/bb-plugin.h>
#include <bbhost/bb-slave.h>
#include <bbhost/bb-types.h>
