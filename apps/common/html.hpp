// What the programs' HTML pages share.
#pragma once

#include <string>
#include <string_view>

namespace gramian {

/// Text as it may stand in an element or an attribute.
inline std::string escaped(std::string_view text)
{
    std::string safe;
    for (const char letter : text) {
        if (letter == '&')
            safe += "&amp;";
        else if (letter == '<')
            safe += "&lt;";
        else if (letter == '>')
            safe += "&gt;";
        else if (letter == '"')
            safe += "&quot;";
        else
            safe += letter;
    }
    return safe;
}

} // namespace gramian
