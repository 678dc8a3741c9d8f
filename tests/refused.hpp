// What a test says of an action that must throw: the status and the words of the message. Used by all inner tests.
#pragma once

#include "base/error.hpp"
#include "checks.hpp"

#include <string>
#include <string_view>

namespace gramian {

template <class Action>
void refused(Status status, std::string_view words, Action action)
{
    CAPTURE(words);
    try {
        action();
        FAIL_CHECK("accepted");
    } catch (const Error& error) {
        const std::string message = error.what();
        CAPTURE(message);
        CHECK(error.status() == status);
        CHECK(message.find(words) != std::string::npos);
    }
}

} // namespace gramian
