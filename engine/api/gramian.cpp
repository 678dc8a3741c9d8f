// The C API: every function is one guarded call into the engine. Holds no logic.
#include "gramian/gramian.h"

#include "api/handles.hpp"
#include "base/boundary.hpp"
#include "base/file.hpp"
#include "ops/kernels.hpp"
#include "ops/run_operator.hpp"
#include "ops/self_test.hpp"

#include <algorithm>
#include <cstring>

using namespace gramian;

namespace {

thread_local std::string last_error;

/// Runs the body; turns what it throws into a status and keeps the text.
template <class Body>
gramian_status guard(Body&& body) noexcept
{
    return static_cast<gramian_status>(run_guarded(last_error, body));
}

/// Entry i of an array whose first entry says how large the caller takes each to be.
template <class Struct>
void write_entry(Struct* entries, uint32_t index, const Struct& value)
{
    const uint32_t size = entries[0].size;
    auto* room = reinterpret_cast<Struct*>(reinterpret_cast<std::byte*>(entries) + size_t{size} * index);
    if (index > 0) room->size = size;
    write_struct(room, value);
}

void copy_text(char* room, size_t size, const std::string& text)
{
    const size_t length = std::min(size - 1, text.size());
    std::memcpy(room, text.data(), length);
    room[length] = 0;
}

gramian_device_info info_of(const Caps& caps)
{
    gramian_device_info info{};
    info.size = sizeof info;
    info.is_host = caps.is_host;
    copy_text(info.name, sizeof info.name, caps.name);
    copy_text(info.driver, sizeof info.driver, caps.driver);
    copy_text(info.kind, sizeof info.kind, caps.kind);
    info.api_version = caps.api_version;
    info.vendor_id = caps.vendor_id;
    info.device_id = caps.device_id;
    info.driver_version = caps.driver_version;
    info.subgroup_size = caps.subgroup_size;
    info.max_workgroup_invocations = caps.max_workgroup_invocations;
    info.max_shared_bytes = caps.max_shared_bytes;
    info.max_push_bytes = caps.max_push_bytes;
    info.max_storage_bytes = caps.max_storage_bytes;
    info.max_memory_bytes = caps.max_memory_bytes;
    return info;
}

std::string kernels_json(const Caps& caps)
{
    Json table = Json::array();
    for (const KernelChoice& choice : kernel_choices(caps)) {
        table.push_back({{"kernel", choice.shader->name}, {"picked", choice.is_picked}, {"when", choice.when}});
    }
    return table.dump();
}

std::string model_json(const Model& model)
{
    Json json = model.description();
    json["parameter_count"] = model.parameter_count();
    json["weight_bytes"] = model.weight_bytes();
    json["fingerprint"] = fmt::format("{:016x}", model.fingerprint());
    json["has_context"] = model.has_context();
    json["capacity"] = model.capacity();
    json["token_capacity"] = model.token_capacity();
    json["golden_tokens"] = model.golden().tokens;
    json["values"] = Json::array();
    for (const Value& value : model.values()) {
        json["values"].push_back({{"name", value.name}, {"size", value.size}, {"needs_context", value.needs_context}});
    }
    return json.dump();
}

/// The inputs that are no context inputs, `rows` of each.
std::vector<std::span<const float>> step_inputs(const Session& session, const float* const* inputs, uint64_t rows)
{
    require_pointer(inputs, "inputs");
    std::vector<std::span<const float>> spans;
    for (const ModelPort& port : session.model().inputs()) {
        if (port.is_context) continue;
        require_pointer(inputs[spans.size()], "an input");
        spans.emplace_back(inputs[spans.size()], rows * port.size);
    }
    return spans;
}

std::vector<std::span<float>> step_outputs(const Session& session, float* const* outputs, uint64_t rows)
{
    require_pointer(outputs, "outputs");
    std::vector<std::span<float>> spans;
    for (const ModelPort& port : session.model().outputs()) {
        require_pointer(outputs[spans.size()], "an output");
        spans.emplace_back(outputs[spans.size()], rows * port.size);
    }
    return spans;
}

std::span<const uint32_t> stream_list(const uint32_t* streams, uint32_t count)
{
    if (count > 0) require_pointer(streams, "streams");
    return {streams, count};
}

SessionOptions session_options(const gramian_session_options* options)
{
    const gramian_session_options given = read_struct(options, gramian_session_options_default());
    SessionOptions chosen;
    chosen.streams = given.streams;
    chosen.verify_golden = given.verify_golden != 0;
    chosen.profile = given.profile != 0;
    chosen.starts_empty = given.starts_empty != 0;
    chosen.snapshots = given.snapshots;
    return chosen;
}

gramian_session_info info_of(const SessionLayout& layout)
{
    gramian_session_info info{};
    info.size = sizeof info;
    info.streams = layout.streams;
    info.state_bytes = layout.state_bytes();
    info.activation_bytes = layout.scratch_bytes;
    info.io_bytes = layout.io_bytes();
    info.bytes = layout.bytes();
    info.windows = layout.window_count;
    return info;
}

gramian_solve_report report_of(const SolveOutcome& outcome)
{
    return {sizeof(gramian_solve_report),
            static_cast<uint32_t>(outcome.status),
            outcome.min_pivot,
            outcome.alpha,
            outcome.retries,
            outcome.residual};
}

void view_of(const NamedArray& array, gramian_tensor_view* view)
{
    gramian_tensor_view found{};
    found.size = sizeof found;
    found.rank = array.shape.rank();
    for (uint32_t axis = 0; axis < found.rank; ++axis) found.shape[axis] = array.shape[axis];
    found.name = array.name.c_str();
    found.values = array.values.data();
    found.element_count = array.values.size();
    write_struct(view, found);
}

std::vector<NamedArray> read_arrays(const SafetensorsFile& file)
{
    std::vector<NamedArray> arrays;
    for (const FileTensor& tensor : file.tensors()) {
        arrays.push_back({tensor.name, Shape::checked(tensor.shape, tensor.name), to_float(tensor)});
    }
    return arrays;
}

std::vector<std::byte> serialized(const gramian_tensors& tensors)
{
    std::vector<TensorToWrite> writes;
    for (const NamedArray& array : tensors.arrays) {
        TensorToWrite tensor{array.name, DType::f32, {}, std::as_bytes(std::span<const float>(array.values))};
        for (uint32_t axis = 0; axis < array.shape.rank(); ++axis) tensor.shape.push_back(array.shape[axis]);
        writes.push_back(std::move(tensor));
    }
    return serialize_safetensors(writes, tensors.texts);
}

} // namespace

const char* gramian_last_error(void)
{
    return last_error.c_str();
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

gramian_device_options gramian_device_options_default(void)
{
    gramian_device_options options{};
    options.size = sizeof options;
    options.selector = "auto";
    options.timeout_ns = DeviceOptions{}.timeout_ns;
    return options;
}

gramian_status gramian_device_list(gramian_device_info* infos, uint32_t* count)
{
    return guard([&] {
        require_pointer(count, "count");
        const std::vector<Caps> found = list_devices();
        const uint32_t room = infos ? *count : 0;
        for (uint32_t i = 0; i < std::min<uint32_t>(room, static_cast<uint32_t>(found.size())); ++i) {
            write_entry(infos, i, info_of(found[i]));
        }
        *count = static_cast<uint32_t>(found.size());
    });
}

gramian_status gramian_device_open(const gramian_device_options* options, gramian_device** device)
{
    return guard([&] {
        require_pointer(device, "device");
        const gramian_device_options given = read_struct(options, gramian_device_options_default());
        DeviceOptions chosen;
        chosen.selector = given.selector ? given.selector : "auto";
        if (given.limits > GRAMIAN_LIMITS_MINIMUM)
            raise(Status::invalid_argument, "limits {} is unknown", given.limits);
        chosen.limits = static_cast<Limits>(given.limits);
        chosen.validation = given.validation != 0;
        chosen.timeout_ns = given.timeout_ns;
        if (given.pipeline_cache) {
            const auto* bytes = static_cast<const std::byte*>(given.pipeline_cache);
            chosen.pipeline_cache.assign(bytes, bytes + given.pipeline_cache_bytes);
        }
        std::shared_ptr<Device> opened = open_device(chosen);
        std::string verdict;
        if (given.verdict) verdict = apply_verdict(*opened, gramian_version(), given.verdict);
        const std::string kernels = kernels_json(opened->caps());
        *device = new gramian_device{std::move(opened), kernels, std::move(verdict)};
    });
}

gramian_status gramian_device_get_info(const gramian_device* device, gramian_device_info* info)
{
    return guard([&] {
        require_pointer(device, "device");
        write_struct(info, info_of(device->device->caps()));
    });
}

gramian_status gramian_device_pipeline_cache(gramian_device* device, void* data, size_t* bytes)
{
    return guard([&] {
        require_pointer(device, "device");
        require_pointer(bytes, "bytes");
        const std::vector<std::byte> blob = device->device->pipeline_cache();
        if (data) std::memcpy(data, blob.data(), std::min(*bytes, blob.size()));
        *bytes = blob.size();
    });
}

gramian_status gramian_device_self_test(gramian_device* device, const char** verdict)
{
    return guard([&] {
        require_pointer(device, "device");
        device->verdict = self_test(*device->device, gramian_version()).dump();
        device->kernels = kernels_json(device->device->caps());
        if (verdict) *verdict = device->verdict.c_str();
    });
}

const char* gramian_device_verdict_json(const gramian_device* device)
{
    return device && !device->verdict.empty() ? device->verdict.c_str() : nullptr;
}

const char* gramian_device_kernels_json(gramian_device* device)
{
    return device ? device->kernels.c_str() : "[]";
}

void gramian_device_destroy(gramian_device* device)
{
    delete device;
}

gramian_status gramian_model_load(gramian_device* device, const char* path, gramian_model** model)
{
    return guard([&] {
        require_pointer(device, "device");
        require_pointer(path, "path");
        require_pointer(model, "model");
        auto loaded = std::make_shared<Model>(Model::load(*device->device, path));
        *model = new gramian_model{device->device, loaded, model_json(*loaded)};
    });
}

gramian_status gramian_model_parse(gramian_device* device, const void* bytes, size_t byte_count, const char* name,
                                   gramian_model** model)
{
    return guard([&] {
        require_pointer(device, "device");
        require_pointer(bytes, "bytes");
        require_pointer(model, "model");
        const auto* first = static_cast<const std::byte*>(bytes);
        auto parsed =
            std::make_shared<Model>(Model::parse(*device->device, {first, first + byte_count}, name ? name : "model"));
        *model = new gramian_model{device->device, parsed, model_json(*parsed)};
    });
}

const char* gramian_model_json(const gramian_model* model)
{
    return model ? model->json.c_str() : "";
}
void gramian_model_destroy(gramian_model* model)
{
    delete model;
}

gramian_session_options gramian_session_options_default(void)
{
    gramian_session_options options{};
    options.size = sizeof options;
    options.streams = 1;
    options.verify_golden = 1;
    return options;
}

gramian_status gramian_session_create(gramian_model* model, const gramian_session_options* options,
                                      gramian_session** session)
{
    return guard([&] {
        require_pointer(model, "model");
        require_pointer(session, "session");
        *session = new gramian_session{
            model->device, model->model, std::make_unique<Session>(*model->model, session_options(options)), {}};
    });
}

gramian_status gramian_session_measure(gramian_model* model, const gramian_session_options* options,
                                       gramian_session_info* info)
{
    return guard([&] {
        require_pointer(model, "model");
        ProgramLists lists;
        const SessionLayout layout = plan_session(*model->model, session_options(options), lists);
        gramian_session_info found = info_of(layout);
        found.step_dispatches = static_cast<uint32_t>(lists.step.list.launches().size()) * layout.window_count;
        found.step_bytes_moved = lists.step.list.bytes_moved() * layout.window_count;
        write_struct(info, found);
    });
}

gramian_status gramian_session_get_info(const gramian_session* session, gramian_session_info* info)
{
    return guard([&] {
        require_pointer(session, "session");
        const Session& s = *session->session;
        gramian_session_info found = info_of(s.layout());
        found.step_dispatches = s.step_dispatches();
        found.step_bytes_moved = s.step_bytes_moved();
        found.submissions = s.submissions();
        found.joined = s.joined_count();
        write_struct(info, found);
    });
}

gramian_status gramian_session_step(gramian_session* session, const float* const* inputs, float* const* outputs)
{
    return guard([&] {
        require_pointer(session, "session");
        Session& s = *session->session;
        const auto out = step_outputs(s, outputs, s.stream_count());
        s.submit(step_inputs(s, inputs, s.stream_count()));
        s.wait(out);
    });
}

gramian_status gramian_session_submit(gramian_session* session, const float* const* inputs)
{
    return guard([&] {
        require_pointer(session, "session");
        session->session->submit(step_inputs(*session->session, inputs, session->session->stream_count()));
    });
}

gramian_status gramian_session_wait(gramian_session* session, float* const* outputs)
{
    return guard([&] {
        require_pointer(session, "session");
        Session& s = *session->session;
        s.wait(step_outputs(s, outputs, s.submitted_rows()));
    });
}

gramian_status gramian_session_step_some(gramian_session* session, const uint32_t* streams, uint32_t count,
                                         const float* const* inputs, float* const* outputs)
{
    return guard([&] {
        require_pointer(session, "session");
        Session& s = *session->session;
        const auto out = step_outputs(s, outputs, count);
        s.submit_some(stream_list(streams, count), step_inputs(s, inputs, count));
        s.wait(out);
    });
}

gramian_status gramian_session_submit_some(gramian_session* session, const uint32_t* streams, uint32_t count,
                                           const float* const* inputs)
{
    return guard([&] {
        require_pointer(session, "session");
        Session& s = *session->session;
        s.submit_some(stream_list(streams, count), step_inputs(s, inputs, count));
    });
}

gramian_status gramian_session_prefill(gramian_session* session, const uint32_t* streams, const uint32_t* counts,
                                       uint32_t stream_count, const float* const* inputs, float* const* outputs)
{
    return guard([&] {
        require_pointer(session, "session");
        if (stream_count == 0) return;
        require_pointer(counts, "counts");
        Session& s = *session->session;
        uint64_t total = 0;
        for (uint32_t i = 0; i < stream_count; ++i) total += counts[i];
        s.prefill(stream_list(streams, stream_count), {counts, stream_count}, step_inputs(s, inputs, total),
                  step_outputs(s, outputs, total));
    });
}

gramian_status gramian_session_observe(gramian_session* session, const uint32_t* streams, const uint32_t* counts,
                                       uint32_t stream_count, const float* const* inputs)
{
    return guard([&] {
        require_pointer(session, "session");
        if (stream_count == 0) return;
        require_pointer(streams, "streams");
        require_pointer(counts, "counts");
        require_pointer(inputs, "inputs");
        uint64_t total = 0;
        for (uint32_t i = 0; i < stream_count; ++i) total += counts[i];
        std::vector<std::span<const float>> spans;
        for (const ModelPort& port : session->session->model().inputs()) {
            require_pointer(inputs[spans.size()], "an input");
            spans.emplace_back(inputs[spans.size()], total * port.size);
        }
        session->session->observe({streams, stream_count}, {counts, stream_count}, spans);
    });
}

gramian_status gramian_session_solve(gramian_session* session, const uint32_t* streams, uint32_t stream_count,
                                     gramian_solve_report* reports)
{
    return guard([&] {
        require_pointer(session, "session");
        if (stream_count == 0) return;
        require_pointer(streams, "streams");
        const std::vector<SolveOutcome> outcomes = session->session->solve({streams, stream_count});
        if (!reports) return;
        for (uint32_t i = 0; i < stream_count; ++i) write_entry(reports, i, report_of(outcomes[i]));
    });
}

gramian_status gramian_session_reset(gramian_session* session, const uint32_t* streams, uint32_t stream_count)
{
    return guard([&] {
        require_pointer(session, "session");
        std::vector<uint32_t> chosen(streams, streams ? streams + stream_count : streams);
        for (uint32_t i = 0; !streams && i < session->session->stream_count(); ++i) {
            if (session->session->has_joined(i)) chosen.push_back(i);
        }
        session->session->reset(chosen);
    });
}

gramian_status gramian_session_get_reports(const gramian_session* session, uint32_t stream, gramian_tensors** reports)
{
    return guard([&] {
        require_pointer(session, "session");
        require_pointer(reports, "reports");
        *reports = new gramian_tensors{session->session->reports(stream), {}};
    });
}

gramian_status gramian_session_get_statistics(const gramian_session* session, uint32_t stream,
                                              gramian_tensors** statistics)
{
    return guard([&] {
        require_pointer(session, "session");
        require_pointer(statistics, "statistics");
        *statistics = new gramian_tensors{session->session->statistics(stream), {}};
    });
}

gramian_status gramian_session_add_statistics(gramian_session* session, uint32_t stream,
                                              const gramian_tensors* statistics, float weight)
{
    return guard([&] {
        require_pointer(session, "session");
        require_pointer(statistics, "statistics");
        session->session->add_statistics(stream, statistics->arrays, weight);
    });
}

gramian_status gramian_session_begin_demonstration(gramian_session* session, const uint32_t* streams,
                                                   uint32_t stream_count)
{
    return guard([&] {
        require_pointer(session, "session");
        session->session->begin_demonstration(stream_list(streams, stream_count));
    });
}

gramian_status gramian_session_join(gramian_session* session, uint32_t count, uint32_t* streams)
{
    return guard([&] {
        require_pointer(session, "session");
        if (count > 0) require_pointer(streams, "streams");
        const std::vector<uint32_t> joined = session->session->join(count);
        std::copy(joined.begin(), joined.end(), streams);
    });
}

gramian_status gramian_session_leave(gramian_session* session, const uint32_t* streams, uint32_t stream_count)
{
    return guard([&] {
        require_pointer(session, "session");
        session->session->leave(stream_list(streams, stream_count));
    });
}

gramian_status gramian_session_copy(gramian_session* session, uint32_t from, const uint32_t* targets,
                                    uint32_t target_count)
{
    return guard([&] {
        require_pointer(session, "session");
        session->session->copy(from, stream_list(targets, target_count));
    });
}

gramian_status gramian_session_merge(gramian_session* session, uint32_t to, uint32_t from, float weight)
{
    return guard([&] {
        require_pointer(session, "session");
        session->session->merge(to, from, weight);
    });
}

gramian_status gramian_session_snapshot(gramian_session* session, const uint32_t* streams, uint32_t stream_count)
{
    return guard([&] {
        require_pointer(session, "session");
        session->session->snapshot(stream_list(streams, stream_count));
    });
}

gramian_status gramian_session_rewind(gramian_session* session, const uint32_t* streams, uint32_t stream_count,
                                      uint32_t back)
{
    return guard([&] {
        require_pointer(session, "session");
        session->session->rewind(stream_list(streams, stream_count), back);
    });
}

gramian_status gramian_session_position(const gramian_session* session, uint32_t stream, uint64_t* tokens,
                                        uint64_t* pairs)
{
    return guard([&] {
        require_pointer(session, "session");
        const StreamPosition position = session->session->position_of(stream);
        if (tokens) *tokens = position.tokens;
        if (pairs) *pairs = position.pairs;
    });
}

gramian_status gramian_session_save(gramian_session* session, const uint32_t* streams, uint32_t stream_count,
                                    void* bytes, size_t* byte_count)
{
    return guard([&] {
        require_pointer(session, "session");
        require_pointer(byte_count, "byte_count");
        const size_t needed = session->session->saved_bytes(stream_count);
        if (bytes && *byte_count < needed) {
            raise(Status::invalid_argument, "save: room for {} bytes, expected {}", *byte_count, needed);
        }
        *byte_count = needed;
        if (!bytes) return;
        const std::vector<std::byte> saved = session->session->save(stream_list(streams, stream_count));
        std::memcpy(bytes, saved.data(), saved.size());
    });
}

gramian_status gramian_session_restore(gramian_session* session, const uint32_t* streams, uint32_t stream_count,
                                       const void* bytes, size_t byte_count, uint32_t on_any_device)
{
    return guard([&] {
        require_pointer(session, "session");
        require_pointer(bytes, "bytes");
        session->session->restore(stream_list(streams, stream_count),
                                  {static_cast<const std::byte*>(bytes), byte_count}, on_any_device != 0);
    });
}

gramian_status gramian_session_save_file(gramian_session* session, const uint32_t* streams, uint32_t stream_count,
                                         const char* path)
{
    return guard([&] {
        require_pointer(session, "session");
        require_pointer(path, "path");
        write_file_atomically(path, session->session->save(stream_list(streams, stream_count)));
    });
}

gramian_status gramian_session_restore_file(gramian_session* session, const uint32_t* streams, uint32_t stream_count,
                                            const char* path, uint32_t on_any_device)
{
    return guard([&] {
        require_pointer(session, "session");
        require_pointer(path, "path");
        session->session->restore(stream_list(streams, stream_count), read_file(path, kMaxSavedBytes),
                                  on_any_device != 0);
    });
}

const char* gramian_session_profile_json(gramian_session* session)
{
    if (!session) return "[]";
    const gramian_status status = guard([&] {
        Json list = Json::array();
        for (const NodeTime& time : session->session->profile()) list.push_back({{"node", time.node}, {"us", time.us}});
        session->profile = list.dump();
    });
    return status == GRAMIAN_OK ? session->profile.c_str() : "[]";
}

void gramian_session_destroy(gramian_session* session)
{
    delete session;
}

gramian_status gramian_tensors_create(gramian_tensors** tensors)
{
    return guard([&] {
        require_pointer(tensors, "tensors");
        *tensors = new gramian_tensors;
    });
}

gramian_status gramian_tensors_add(gramian_tensors* tensors, const char* name, const uint64_t* shape, uint32_t rank,
                                   const float* values)
{
    return guard([&] {
        require_pointer(tensors, "tensors");
        require_pointer(name, "name");
        if (rank > 0) require_pointer(shape, "shape");
        NamedArray array{name, Shape::checked({shape, rank}, name), {}};
        for (const NamedArray& other : tensors->arrays) {
            if (other.name == array.name) raise(Status::invalid_argument, "the name {} is taken", in_quotes(name));
        }
        if (array.shape.element_count() > 0) require_pointer(values, "values");
        array.values.assign(values, values + array.shape.element_count());
        tensors->arrays.push_back(std::move(array));
    });
}

gramian_status gramian_tensors_set_text(gramian_tensors* tensors, const char* key, const char* text)
{
    return guard([&] {
        require_pointer(tensors, "tensors");
        require_pointer(key, "key");
        require_pointer(text, "text");
        tensors->texts[key] = text;
    });
}

const char* gramian_tensors_get_text(const gramian_tensors* tensors, const char* key)
{
    if (!tensors || !key) return nullptr;
    const auto found = tensors->texts.find(key);
    return found == tensors->texts.end() ? nullptr : found->second.c_str();
}

uint32_t gramian_tensors_count(const gramian_tensors* tensors)
{
    return tensors ? static_cast<uint32_t>(tensors->arrays.size()) : 0;
}

gramian_status gramian_tensors_get(const gramian_tensors* tensors, uint32_t index, gramian_tensor_view* view)
{
    return guard([&] {
        require_pointer(tensors, "tensors");
        if (index >= tensors->arrays.size()) {
            raise(Status::invalid_argument, "tensor {}: there are {}", index, tensors->arrays.size());
        }
        view_of(tensors->arrays[index], view);
    });
}

gramian_status gramian_tensors_find(const gramian_tensors* tensors, const char* name, gramian_tensor_view* view)
{
    return guard([&] {
        require_pointer(tensors, "tensors");
        require_pointer(name, "name");
        std::string known;
        for (const NamedArray& array : tensors->arrays) {
            if (array.name == name) return view_of(array, view);
            known += (known.empty() ? "" : ", ") + array.name;
        }
        raise(Status::invalid_argument, "no tensor {}; there are: {}", in_quotes(name), known.empty() ? "none" : known);
    });
}

gramian_status gramian_tensors_load(const char* path, gramian_tensors** tensors)
{
    return guard([&] {
        require_pointer(path, "path");
        require_pointer(tensors, "tensors");
        const SafetensorsFile file = SafetensorsFile::load(path);
        *tensors = new gramian_tensors{read_arrays(file), file.metadata()};
    });
}

gramian_status gramian_tensors_save(const gramian_tensors* tensors, const char* path)
{
    return guard([&] {
        require_pointer(tensors, "tensors");
        require_pointer(path, "path");
        write_file_atomically(path, serialized(*tensors));
    });
}

gramian_status gramian_tensors_serialize(const gramian_tensors* tensors, void* data, size_t* bytes)
{
    return guard([&] {
        require_pointer(tensors, "tensors");
        require_pointer(bytes, "bytes");
        const std::vector<std::byte> file = serialized(*tensors);
        if (data) std::memcpy(data, file.data(), std::min(*bytes, file.size()));
        *bytes = file.size();
    });
}

void gramian_tensors_destroy(gramian_tensors* tensors)
{
    delete tensors;
}

gramian_status gramian_operator_run(gramian_device* device, const char* name, const char* attributes,
                                    const gramian_tensors* inputs, gramian_tensors** outputs)
{
    return guard([&] {
        require_pointer(device, "device");
        require_pointer(name, "name");
        require_pointer(inputs, "inputs");
        require_pointer(outputs, "outputs");
        const Json parsed =
            attributes ? parse_json(attributes, "attributes", Status::invalid_argument) : Json::object();
        *outputs = new gramian_tensors{run_operator(*device->device, name, parsed, inputs->arrays).outputs, {}};
    });
}

const char* gramian_operators_json(void)
{
    static const std::string text = [] {
        Json table = Json::array();
        for (const Operator& op : operators()) {
            Json inputs = Json::array();
            for (const Port& port : op.inputs) {
                inputs.push_back({{"name", port.name}, {"optional", port.is_optional}, {"constant", port.is_constant}});
            }
            table.push_back(
                {{"name", op.name}, {"inputs", inputs}, {"outputs", op.outputs}, {"attributes", op.attributes}});
        }
        return table.dump();
    }();
    return text.c_str();
}
