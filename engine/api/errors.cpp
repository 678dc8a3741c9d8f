// The C API: what went wrong, in words.
#include "api/guard.hpp"

using namespace gramian;

std::string& gramian::last_error_text()
{
    thread_local std::string text;
    return text;
}

const char* gramian_last_error(void)
{
    return last_error_text().c_str();
}

const char* gramian_version(void)
{
    return "0.1.0";
}

const char* gramian_status_text(gramian_status status)
{
    switch (status) {
        case GRAMIAN_OK:
            return "ok";
        case GRAMIAN_INVALID_ARGUMENT:
            return "invalid argument";
        case GRAMIAN_INVALID_MODEL:
            return "invalid model";
        case GRAMIAN_IO_ERROR:
            return "input/output error";
        case GRAMIAN_NO_DEVICE:
            return "no device";
        case GRAMIAN_UNSUPPORTED:
            return "unsupported";
        case GRAMIAN_OUT_OF_MEMORY:
            return "out of memory";
        case GRAMIAN_DEVICE_LOST:
            return "device lost";
        case GRAMIAN_TIMEOUT:
            return "timeout";
        case GRAMIAN_INTERNAL:
            return "internal error";
        case GRAMIAN_INVALID_STATE:
            return "invalid saved state";
    }
    return "unknown status";
}
