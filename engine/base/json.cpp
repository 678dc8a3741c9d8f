#include "base/json.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <vector>

namespace gramian {

namespace {

/// Printable ASCII; the middle is left out when the text is longer than `limit`.
std::string readable(std::string_view text, size_t limit)
{
    const auto escaped = [](std::string_view part) {
        std::string result;
        for (const char letter : part) {
            if (letter >= 0x20 && letter < 0x7F)
                result += letter;
            else
                result += fmt::format("\\x{:02x}", static_cast<unsigned char>(letter));
        }
        return result;
    };
    if (text.size() <= limit) return escaped(text);
    return escaped(text.substr(0, limit / 2)) + " ... " + escaped(text.substr(text.size() - limit / 2));
}

/// Tells the parser's events where in the text they are, which the library does not.
struct CountingIterator {
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    const char* at;
    size_t* count;

    reference operator*() const { return *at; }
    CountingIterator& operator++()
    {
        ++at;
        ++*count;
        return *this;
    }
    bool operator==(const CountingIterator& other) const { return at == other.at; }
    bool operator!=(const CountingIterator& other) const { return at != other.at; }
};

/// Builds the value from the parser's events, since the library's own builder lets a later duplicate key win.
class Builder {
public:
    Builder(std::string_view what, Status status, const size_t& byte) : what_(what), status_(status), byte_(byte) {}

    Json take() { return std::move(root_); }

    bool null() { return add(Json(nullptr)); }
    bool boolean(bool value) { return add(Json(value)); }
    bool number_integer(int64_t value) { return add(value == 0 ? Json(-0.0) : Json(value)); } // only -0 is a signed 0
    bool number_unsigned(uint64_t value) { return add(Json(value)); }
    bool number_float(double value, const std::string&) { return add(Json(value)); }
    bool string(std::string& value) { return add(Json(std::move(value))); }
    bool binary(Json::binary_t&) { return false; } // never in text

    bool start_object(size_t) { return open(Json::object()); }
    bool start_array(size_t) { return open(Json::array()); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    bool key(std::string& name)
    {
        const auto [member, is_new] = open_.back()->get_ref<Json::object_t&>().emplace(name, nullptr);
        if (!is_new) raise(status_, "{}: byte {}: duplicate key {}", what_, byte_, in_quotes(name));
        member_ = &member->second;
        return true;
    }

    bool parse_error(size_t position, const std::string&, const Json::exception& error)
    {
        // "[json.exception.parse_error.101] parse error at line 1, column 2: what was found; what was expected"
        std::string_view message = error.what();
        if (const size_t id = message.find("] "); id != std::string_view::npos) message.remove_prefix(id + 2);
        if (message.starts_with("parse error at"))
            message.remove_prefix(std::min(message.find(": ") + 2, message.size()));
        raise(status_, "{}: byte {}: {}", what_, position, readable(message, 240));
    }

private:
    bool add(Json value)
    {
        place(std::move(value));
        return true;
    }

    bool open(Json container)
    {
        if (open_.size() == kMaxJsonDepth)
            raise(status_, "{}: byte {}: nested deeper than {} levels", what_, byte_, kMaxJsonDepth);
        open_.push_back(place(std::move(container)));
        return true;
    }

    bool close()
    {
        open_.pop_back();
        return true;
    }

    /// Pointers into a container stay valid while it is open: only its last element is being filled.
    Json* place(Json value)
    {
        if (++value_count_ > kMaxJsonValues)
            raise(status_, "{}: byte {}: more than {} values", what_, byte_, kMaxJsonValues);
        Json* slot = &root_;
        if (!open_.empty() && open_.back()->is_array())
            slot = &open_.back()->get_ref<Json::array_t&>().emplace_back();
        else if (!open_.empty())
            slot = member_;
        *slot = std::move(value);
        return slot;
    }

    std::string_view what_;
    Status status_;
    const size_t& byte_;
    Json root_;
    std::vector<Json*> open_;
    Json* member_ = nullptr;
    size_t value_count_ = 0;
};

std::string_view type_text(Json::value_t type)
{
    switch (type) {
        case Json::value_t::object:
            return "an object";
        case Json::value_t::array:
            return "an array";
        case Json::value_t::string:
            return "a string";
        case Json::value_t::boolean:
            return "true or false";
        case Json::value_t::number_integer:
        case Json::value_t::number_unsigned:
            return "an integer";
        case Json::value_t::number_float:
            return "a number";
        default:
            return "null";
    }
}

bool has_type(const Json& value, Json::value_t type)
{
    switch (type) {
        case Json::value_t::number_float:
            return value.is_number();
        case Json::value_t::number_integer:
            return value.is_number_integer();
        default:
            return value.type() == type;
    }
}

const Json& member_of(const Json& object, std::string_view key, std::string_view where, Status status)
{
    if (!object.is_object()) raise(status, "{}: expected an object, found {}", where, describe(object));
    const auto found = object.find(key);
    if (found == object.end()) raise(status, "{}: {} is missing", where, in_quotes(key));
    return *found;
}

} // namespace

Json parse_json(std::string_view text, std::string_view what, Status status)
{
    // The library takes a NUL for the end of the text and skips a byte order mark.
    if (const size_t nul = text.find('\0'); nul != std::string_view::npos)
        raise(status, "{}: byte {}: expected JSON text, found a NUL byte", what, nul + 1);
    if (text.starts_with("\xEF\xBB\xBF"))
        raise(status, "{}: byte 1: expected JSON text, found a byte order mark", what);

    size_t byte = 0;
    Builder builder(what, status, byte);
    const CountingIterator first{text.data(), &byte};
    const CountingIterator last{text.data() + text.size(), &byte};
    if (!Json::sax_parse(first, last, &builder)) raise(status, "{}: byte {}: expected JSON text", what, byte);
    return builder.take();
}

const Json& require(const Json& object, std::string_view key, Json::value_t type, std::string_view where, Status status)
{
    const Json& value = member_of(object, key, where, status);
    if (!has_type(value, type))
        raise(status, "{}: {}: expected {}, found {}", where, in_quotes(key), type_text(type), describe(value));
    return value;
}

double require_number(const Json& object, std::string_view key, std::string_view where, Status status)
{
    return require(object, key, Json::value_t::number_float, where, status).get<double>();
}

std::string require_string(const Json& object, std::string_view key, std::string_view where, Status status)
{
    return require(object, key, Json::value_t::string, where, status).get<std::string>();
}

int64_t require_integer(const Json& object, std::string_view key, int64_t min, int64_t max, std::string_view where,
                        Status status)
{
    const Json& value = member_of(object, key, where, status);
    return as_integer(value, min, max, fmt::format("{}: {}", where, in_quotes(key)), status);
}

int64_t as_integer(const Json& value, int64_t min, int64_t max, std::string_view where, Status status)
{
    const bool is_integer = value.is_number_integer();
    const bool fits = !value.is_number_unsigned() ||
                      value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (is_integer && fits) {
        const auto integer = value.get<int64_t>();
        if (integer >= min && integer <= max) return integer;
    }
    raise(status, "{}: expected an integer from {} to {}, found {}", where, min, max, describe(value));
}

void refuse_unknown_keys(const Json& object, std::initializer_list<std::string_view> known, std::string_view where,
                         Status status)
{
    if (!object.is_object()) raise(status, "{}: expected an object, found {}", where, describe(object));
    for (const auto& [key, value] : object.get_ref<const Json::object_t&>()) {
        if (std::find(known.begin(), known.end(), key) != known.end()) continue;
        raise(status, "{}: unknown field {}, expected only {}", where, in_quotes(key), fmt::join(known, ", "));
    }
}

std::string in_quotes(std::string_view text)
{
    return '"' + readable(text, 96) + '"';
}

std::string describe(const Json& value)
{
    switch (value.type()) {
        case Json::value_t::object:
            return fmt::format("an object of {}", value.size());
        case Json::value_t::array:
            return fmt::format("an array of {}", value.size());
        case Json::value_t::string:
            return "the string " + in_quotes(value.get_ref<const std::string&>());
        case Json::value_t::boolean:
            return value.get<bool>() ? "true" : "false";
        case Json::value_t::null:
            return "null";
        default:
            return "the number " + value.dump();
    }
}

} // namespace gramian
