// Header-only C++ owners over the C API: move-only, exceptions of one type, spans in and out.
#pragma once

#include "gramian/gramian.h"

#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gramian {

/// What a call of the C API that did not return GRAMIAN_OK becomes.
class ApiError : public std::runtime_error {
public:
    ApiError(gramian_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
    [[nodiscard]] gramian_status status() const noexcept { return status_; }

private:
    gramian_status status_;
};

namespace api {

inline void check(gramian_status status)
{
    if (status != GRAMIAN_OK) throw ApiError(status, gramian_last_error());
}

template <class Raw, void (*kDestroy)(Raw*)>
struct Destroy {
    void operator()(Raw* raw) const noexcept { kDestroy(raw); }
};
template <class Raw, void (*kDestroy)(Raw*)>
using Owner = std::unique_ptr<Raw, Destroy<Raw, kDestroy>>;

} // namespace api

/// Every device of this machine: Vulkan devices by index, then the host executor.
inline std::vector<gramian_device_info> device_list()
{
    uint32_t count = 0;
    api::check(gramian_device_list(nullptr, &count));
    std::vector<gramian_device_info> infos(count);
    for (gramian_device_info& info : infos) info.size = sizeof info;
    api::check(gramian_device_list(infos.data(), &count));
    infos.resize(count);
    return infos;
}

class DeviceHandle {
public:
    explicit DeviceHandle(const gramian_device_options& options = gramian_device_options_default())
    {
        gramian_device* raw = nullptr;
        api::check(gramian_device_open(&options, &raw));
        raw_.reset(raw);
    }
    [[nodiscard]] gramian_device* get() const noexcept { return raw_.get(); }
    [[nodiscard]] gramian_device_info info() const
    {
        gramian_device_info info{};
        info.size = sizeof info;
        api::check(gramian_device_get_info(raw_.get(), &info));
        return info;
    }
    /// Tests every kernel that this device is given and keeps wrong ones from being used; before models are loaded.
    /// The verdict is JSON for gramian_device_options::verdict of the next run.
    std::string self_test() const
    {
        const char* verdict = nullptr;
        api::check(gramian_device_self_test(raw_.get(), &verdict));
        return verdict;
    }

private:
    api::Owner<gramian_device, gramian_device_destroy> raw_;
};

class ModelHandle {
public:
    ModelHandle(const DeviceHandle& device, const std::string& path)
    {
        gramian_model* raw = nullptr;
        api::check(gramian_model_load(device.get(), path.c_str(), &raw));
        raw_.reset(raw);
    }
    ModelHandle(const DeviceHandle& device, std::span<const std::byte> bytes, const std::string& name)
    {
        gramian_model* raw = nullptr;
        api::check(gramian_model_parse(device.get(), bytes.data(), bytes.size(), name.c_str(), &raw));
        raw_.reset(raw);
    }
    [[nodiscard]] gramian_model* get() const noexcept { return raw_.get(); }
    [[nodiscard]] const char* json() const noexcept { return gramian_model_json(raw_.get()); }

private:
    api::Owner<gramian_model, gramian_model_destroy> raw_;
};

class TensorsHandle {
public:
    TensorsHandle()
    {
        gramian_tensors* raw = nullptr;
        api::check(gramian_tensors_create(&raw));
        raw_.reset(raw);
    }
    explicit TensorsHandle(gramian_tensors* raw) : raw_(raw) {}
    static TensorsHandle load(const std::string& path)
    {
        gramian_tensors* raw = nullptr;
        api::check(gramian_tensors_load(path.c_str(), &raw));
        return TensorsHandle(raw);
    }
    void save(const std::string& path) const { api::check(gramian_tensors_save(raw_.get(), path.c_str())); }
    /// The bytes of the file that save() writes; ModelHandle reads them.
    [[nodiscard]] std::vector<std::byte> serialize() const
    {
        size_t bytes = 0;
        api::check(gramian_tensors_serialize(raw_.get(), nullptr, &bytes));
        std::vector<std::byte> file(bytes);
        api::check(gramian_tensors_serialize(raw_.get(), file.data(), &bytes));
        return file;
    }
    void set_text(const std::string& key, const std::string& text)
    {
        api::check(gramian_tensors_set_text(raw_.get(), key.c_str(), text.c_str()));
    }
    void add(const std::string& name, std::span<const uint64_t> shape, const float* values)
    {
        api::check(
            gramian_tensors_add(raw_.get(), name.c_str(), shape.data(), static_cast<uint32_t>(shape.size()), values));
    }
    void round_to_half(const std::string& name) { api::check(gramian_tensors_round_to_half(raw_.get(), name.c_str())); }
    [[nodiscard]] gramian_tensor_view find(const std::string& name) const
    {
        gramian_tensor_view view{};
        view.size = sizeof view;
        api::check(gramian_tensors_find(raw_.get(), name.c_str(), &view));
        return view;
    }
    [[nodiscard]] gramian_tensors* get() const noexcept { return raw_.get(); }

private:
    api::Owner<gramian_tensors, gramian_tensors_destroy> raw_;
};

/// What a session of the model would take.
inline gramian_session_info session_measure(const ModelHandle& model, const gramian_session_options& options)
{
    gramian_session_info info{};
    info.size = sizeof info;
    api::check(gramian_session_measure(model.get(), &options, &info));
    return info;
}

class SessionHandle {
public:
    SessionHandle(const ModelHandle& model, const gramian_session_options& options)
    {
        gramian_session* raw = nullptr;
        api::check(gramian_session_create(model.get(), &options, &raw));
        raw_.reset(raw);
    }
    [[nodiscard]] gramian_session* get() const noexcept { return raw_.get(); }
    [[nodiscard]] gramian_session_info info() const
    {
        gramian_session_info info{};
        info.size = sizeof info;
        api::check(gramian_session_get_info(raw_.get(), &info));
        return info;
    }
    /// The pointers of the C API: an input, or an output, each.
    void step(std::span<const float* const> inputs, std::span<float* const> outputs)
    {
        api::check(gramian_session_step(raw_.get(), inputs.data(), outputs.data()));
    }
    void step_some(std::span<const uint32_t> streams, std::span<const float* const> inputs,
                   std::span<float* const> outputs)
    {
        api::check(
            gramian_session_step_some(raw_.get(), streams.data(), size_of(streams), inputs.data(), outputs.data()));
    }
    void prefill(std::span<const uint32_t> streams, std::span<const uint32_t> counts,
                 std::span<const float* const> inputs, std::span<float* const> outputs)
    {
        api::check(gramian_session_prefill(raw_.get(), streams.data(), counts.data(), size_of(streams), inputs.data(),
                                           outputs.data()));
    }
    void begin_demonstration(std::span<const uint32_t> streams)
    {
        api::check(gramian_session_begin_demonstration(raw_.get(), streams.data(), size_of(streams)));
    }
    [[nodiscard]] std::vector<uint32_t> join(uint32_t count)
    {
        std::vector<uint32_t> streams(count);
        api::check(gramian_session_join(raw_.get(), count, streams.data()));
        return streams;
    }
    void leave(std::span<const uint32_t> streams)
    {
        api::check(gramian_session_leave(raw_.get(), streams.data(), size_of(streams)));
    }
    void copy(uint32_t from, std::span<const uint32_t> targets)
    {
        api::check(gramian_session_copy(raw_.get(), from, targets.data(), size_of(targets)));
    }
    void merge(uint32_t to, uint32_t from, float weight)
    {
        api::check(gramian_session_merge(raw_.get(), to, from, weight));
    }
    void snapshot(std::span<const uint32_t> streams)
    {
        api::check(gramian_session_snapshot(raw_.get(), streams.data(), size_of(streams)));
    }
    void rewind(std::span<const uint32_t> streams, uint32_t back)
    {
        api::check(gramian_session_rewind(raw_.get(), streams.data(), size_of(streams), back));
    }
    [[nodiscard]] std::vector<std::byte> save(std::span<const uint32_t> streams)
    {
        size_t size = 0;
        api::check(gramian_session_save(raw_.get(), streams.data(), size_of(streams), nullptr, &size));
        std::vector<std::byte> bytes(size);
        api::check(gramian_session_save(raw_.get(), streams.data(), size_of(streams), bytes.data(), &size));
        return bytes;
    }
    void restore(std::span<const uint32_t> streams, std::span<const std::byte> bytes)
    {
        api::check(
            gramian_session_restore(raw_.get(), streams.data(), size_of(streams), bytes.data(), bytes.size(), 0));
    }
    void save(std::span<const uint32_t> streams, const std::string& path)
    {
        api::check(gramian_session_save_file(raw_.get(), streams.data(), size_of(streams), path.c_str()));
    }
    void restore(std::span<const uint32_t> streams, const std::string& path)
    {
        api::check(gramian_session_restore_file(raw_.get(), streams.data(), size_of(streams), path.c_str(), 0));
    }
    /// For models with one step input and one output: [streams, size] each.
    void step(std::span<const float> input, std::span<float> output)
    {
        const float* in = input.data();
        float* out = output.data();
        api::check(gramian_session_step(raw_.get(), &in, &out));
    }
    void observe(std::span<const uint32_t> streams, std::span<const uint32_t> counts,
                 std::span<const float* const> inputs)
    {
        api::check(gramian_session_observe(raw_.get(), streams.data(), counts.data(),
                                           static_cast<uint32_t>(streams.size()), inputs.data()));
    }
    std::vector<gramian_solve_report> solve(std::span<const uint32_t> streams)
    {
        std::vector<gramian_solve_report> reports(streams.size());
        for (gramian_solve_report& report : reports) report.size = sizeof report;
        api::check(gramian_session_solve(raw_.get(), streams.data(), static_cast<uint32_t>(streams.size()),
                                         reports.empty() ? nullptr : reports.data()));
        return reports;
    }
    void reset() { api::check(gramian_session_reset(raw_.get(), nullptr, 0)); }
    void reset(std::span<const uint32_t> streams)
    {
        if (streams.empty()) return; // no streams, where a null pointer would say: all
        api::check(gramian_session_reset(raw_.get(), streams.data(), static_cast<uint32_t>(streams.size())));
    }
    [[nodiscard]] TensorsHandle reports(uint32_t stream) const
    {
        gramian_tensors* raw = nullptr;
        api::check(gramian_session_get_reports(raw_.get(), stream, &raw));
        return TensorsHandle(raw);
    }
    [[nodiscard]] TensorsHandle statistics(uint32_t stream) const
    {
        gramian_tensors* raw = nullptr;
        api::check(gramian_session_get_statistics(raw_.get(), stream, &raw));
        return TensorsHandle(raw);
    }
    void add_statistics(uint32_t stream, const TensorsHandle& statistics, float weight)
    {
        api::check(gramian_session_add_statistics(raw_.get(), stream, statistics.get(), weight));
    }
    [[nodiscard]] const char* profile_json() { return gramian_session_profile_json(raw_.get()); }

private:
    static uint32_t size_of(std::span<const uint32_t> streams) { return static_cast<uint32_t>(streams.size()); }

    api::Owner<gramian_session, gramian_session_destroy> raw_;
};

/// One operator by itself; attributes: a JSON object or empty.
inline TensorsHandle run_operator(const DeviceHandle& device, const std::string& name, const std::string& attributes,
                                  const TensorsHandle& inputs)
{
    gramian_tensors* outputs = nullptr;
    api::check(gramian_operator_run(device.get(), name.c_str(), attributes.empty() ? nullptr : attributes.c_str(),
                                    inputs.get(), &outputs));
    return TensorsHandle(outputs);
}

} // namespace gramian
