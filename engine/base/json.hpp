// JSON from outside: a parser that accepts nothing doubtful, and accessors whose errors say what was expected, what
// was found and where. Used for model files, test vectors and reports. `where` is what a reader needs to find
// the value, such as `arm.safetensors: node 3`.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace gramian {

using Json = nlohmann::json;

inline constexpr size_t kMaxJsonDepth = 64;
/// A value costs 16 bytes or more: this bounds what a small file can make us allocate.
inline constexpr size_t kMaxJsonValues = 4'000'000;

/// Parses exactly one value. Throws `status`, naming `what` and the byte, for anything that is not JSON, a
/// duplicate key, nesting beyond kMaxJsonDepth, more than kMaxJsonValues values, invalid UTF-8 or text after the value.
/// `-0` is read as a floating-point number, so no integer has two spellings.
Json parse_json(std::string_view text, std::string_view what, Status status);

/// The member `key` of `object`, of that type (`number_float`: any number; `number_integer`: any integer).
/// Throws `status` when `object` is not an object, the key is missing or its value has another type.
const Json& require(const Json& object, std::string_view key, Json::value_t type, std::string_view where,
                    Status status = Status::invalid_model);

double require_number(const Json& object, std::string_view key, std::string_view where,
                      Status status = Status::invalid_model);
std::string require_string(const Json& object, std::string_view key, std::string_view where,
                           Status status = Status::invalid_model);
/// Between min and max, both included.
int64_t require_integer(const Json& object, std::string_view key, int64_t min, int64_t max, std::string_view where,
                        Status status = Status::invalid_model);

/// The same for a value already in hand. 1.0, 1e3 and -0 are not integers.
int64_t as_integer(const Json& value, int64_t min, int64_t max, std::string_view where,
                   Status status = Status::invalid_model);

/// Throws `status`, naming the first member of `object` that is not in `known`.
void refuse_unknown_keys(const Json& object, std::initializer_list<std::string_view> known, std::string_view where,
                         Status status = Status::invalid_model);

/// For messages. Quoted, printable ASCII, cut to a readable length.
std::string in_quotes(std::string_view text);
/// For messages: `the number 3`, `the string "a"`, `an array of 2`, …
std::string describe(const Json& value);

} // namespace gramian
