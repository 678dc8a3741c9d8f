// What android/native_activity.h wants of the window, which Debian's Android headers leave out.
#pragma once

#include <stdint.h>

typedef struct ANativeWindow ANativeWindow;
typedef struct ARect {
    int32_t left, top, right, bottom;
} ARect;
