"""Mutants: each safety of vidatlas as one line to break, and the quick tests that must notice.

``old`` must stand exactly once in the file; where code moves, the anchor moves with it (a test says so).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """Replace one piece of text by another."""

    name: str
    file: str
    """Below src/vidatlas."""
    old: str
    new: str
    tests: tuple[str, ...]
    """Below tests, as pytest names them."""


FOLDER, LOCK, STORE = "storage/test_folder.py::test_", "storage/test_lock.py::test_", "storage/test_store.py::test_"
PARQUET, S3, BYTES = "storage/test_parquet.py::test_", "storage/test_s3.py::test_", "storage/test_index_bytes.py::test_"
RUNS, DATA = "contract/test_promises_of_runs.py::test_", "contract/test_promises_of_data.py::test_"
INPUT, SITE = "contract/test_promises_of_input.py::test_", "app/test_site.py::test_"
CHECKPOINT, CHAT = "encoders/transformer/test_checkpoint.py::test_", "pipeline/names/test_chat.py::test_"
SAFETIES, REPORT = "chaos/test_safeties.py::test_", "views/test_report.py::test_"


def _storage() -> list[Mutant]:
    folder, remote, store = "storage/folder.py", "storage/remote.py", "storage/store.py"
    return [
        Mutant(
            "flush a file before it is named",
            folder,
            "_sync(temporary, os.O_RDWR)",
            "None",
            (FOLDER + "data_and_directory_are_synced_before_put_returns",),
        ),
        Mutant(
            "flush the folder behind a rename",
            folder,
            "_sync(folder)",
            "None",
            (FOLDER + "data_and_directory_are_synced_before_put_returns",),
        ),
        Mutant(
            "flush the folder behind a new name",
            folder,
            "return False\n            _sync(target.parent)",
            "return False",
            (SAFETIES + "a_new_name_is_flushed_before_it_counts",),
        ),
        Mutant(
            "replace a file by a rename",
            folder,
            "for target, temporary in written.items():\n                temporary.replace(target)",
            "for target, temporary in written.items():\n                target.write_bytes(temporary.read_bytes())",
            (FOLDER + "a_failed_rename_leaves_the_old_content",),
        ),
        Mutant(
            "remove temporaries of a failed write",
            folder,
            "for temporary in written.values():\n                temporary.unlink(missing_ok=True)",
            "for temporary in written.values():\n                pass",
            (FOLDER + "a_failed_write_leaves_nothing_behind",),
        ),
        Mutant(
            "create only where there is nothing",
            folder,
            "os.link(temporary, target)",
            "os.replace(temporary, target)",
            (FOLDER + "put_new_creates_once",),
        ),
        Mutant(
            "conditional PUT",
            remote,
            'data, mode="create", **self._limit',
            "data, **self._limit",
            (FOLDER + "put_new_creates_once",),
        ),
        Mutant(
            "know one's own write after a lost reply",
            remote,
            "return self._is(name, data)",
            "return False",
            (S3 + "faults_of_the_store_change_nothing[done, but reported as failed]",),
        ),
        Mutant(
            "a name stays inside the folder",
            remote,
            ' or ".." in name.split("/")',
            "",
            (FOLDER + "a_name_that_leads_out_is_refused",),
        ),
        Mutant(
            "no symbolic links inside an atlas",
            folder,
            "path /= step\n            if path.is_symlink():",
            "path /= step\n            if False:",
            (FOLDER + "what_an_atlas_of_a_stranger_links_to_is_left_alone",),
        ),
        Mutant(
            "no pipes and devices inside an atlas",
            folder,
            "if stat.S_IFMT(path.stat().st_mode) not in (stat.S_IFREG, stat.S_IFDIR):",
            "if path.stat() is None:",
            (FOLDER + "what_an_atlas_of_a_stranger_links_to_is_left_alone",),
        ),
        Mutant(
            "temporaries are not listed",
            folder,
            " and not entry.name.startswith(TEMPORARY)",
            "",
            (FOLDER + "temporaries_are_neither_listed_nor_survive_a_sweep",),
        ),
        Mutant(
            "a listing that fails is not empty",
            remote,
            "            except FileNotFoundError:\n                return ()",
            "            except (FileNotFoundError, OSError):\n                return ()",
            (S3 + "a_listing_that_fails_is_not_an_empty_one",),
        ),
        Mutant(
            "ask a busy store again",
            remote,
            "ATTEMPTS = 10",
            "ATTEMPTS = 1",
            (S3 + "a_store_that_stays_broken_is_asked_ten_times_then_said_to_be_unavailable",),
        ),
        Mutant(
            "protocols that store files only",
            remote,
            'if "::" in url or protocol not in PROTOCOLS:',
            'if protocol == "":',
            (FOLDER + "other_protocols_and_chains_of_them_are_refused",),
        ),
        Mutant(
            "a storage error is not damage",
            remote,
            "with plain_errors(self._url), _in_parts(self._url):",
            "with _in_parts(self._url):",
            (S3 + "input_that_cannot_be_read_is_not_called_damaged",),
        ),
        Mutant(
            "hash of a file that is read",
            store,
            "if _differs(data, facts or self._facts(name)):\n            self._listed = None",
            "if not data:\n            self._listed = None",
            (STORE + "altered_and_missing_bytes_are_refused_by_name",),
        ),
        Mutant(
            "version of an atlas",
            store,
            "if schema != SCHEMA:",
            "if schema is None:",
            (STORE + "another_schema_is_refused",),
        ),
        Mutant(
            "one of two runs makes the manifest",
            store,
            "elif not self.folder.put_new(MANIFEST, data):",
            "elif self.folder.put(MANIFEST, data):",
            (STORE + "of_two_runs_that_begin_an_atlas_at_once_one_puts_its_manifest",),
        ),
        Mutant(
            "types of the manifest",
            "storage/json_files.py",
            "adapter.validate_python(found, strict=True)",
            "pass",
            (STORE + "a_manifest_whose_files_have_no_hash_or_size_is_refused",),
        ),
        Mutant(
            "sizes of committed files before they are believed",
            store,
            'there.get(name) == facts["bytes"]',
            "facts is not None",
            (RUNS + "4_resume_redoes_only_what_is_not_done",),
        ),
        Mutant(
            "no stage without the one before",
            "storage/manifest.py",
            "if listed != sorted(listed, reverse=True):",
            "if not listed:",
            (STORE + "a_stage_without_the_one_before_is_refused",),
        ),
        Mutant(
            "a hash is hexadecimal: copies in the cache are named after it",
            "types.py",
            'Annotated[str, Field(pattern="^[0-9a-f]{64}$")]',
            "str",
            (STORE + "a_manifest_whose_files_have_no_hash_or_size_is_refused",),
        ),
        Mutant(
            "the cache is its owner's alone",
            "storage/cache.py",
            "mode=0o700",
            "mode=0o755",
            ("storage/test_cache.py::test_only_its_owner_can_read_it",),
        ),
        Mutant(
            "no link of another user leads the cache away",
            "storage/cache.py",
            "at.lstat() if at == shared else at.stat()",
            "at.stat()",
            ("storage/test_cache.py::test_a_link_in_the_shared_folder_is_not_followed",),
        ),
    ]


def _lock() -> list[Mutant]:
    lock, stage = "storage/lock.py", "pipeline/stage.py"
    return [
        Mutant(
            "the lock holds",
            lock,
            "if not holder or self._take_over or is_dead(holder) or self._stays_silent(holder):",
            "if True:",
            (LOCK + "a_second_run_is_refused_and_told_who_holds_the_atlas",),
        ),
        Mutant(
            "heartbeat",
            lock,
            "                if self._mine():\n                    self._store.folder.put(LOCK, self._data())",
            "                pass",
            (LOCK + "the_heart_beats_while_the_lock_is_held",),
        ),
        Mutant(
            "a run notices that it was taken over",
            lock,
            "if not self._mine():",
            "if self._mine() is None:",
            (LOCK + "a_run_that_was_taken_over_notices_and_leaves_the_new_lock_alone",),
        ),
        Mutant(
            "a stage confirms its lock before it commits",
            stage,
            "            raise\n        lock.confirm()\n",
            "            raise\n",
            (SAFETIES + "a_stage_that_was_taken_over_commits_nothing",),
        ),
        Mutant(
            "a heartbeat from elsewhere is heard",
            lock,
            "if now != holder:",
            "if holder is None:",
            (LOCK + "a_living_run_of_another_host_is_noticed_at_its_next_heartbeat",),
        ),
        Mutant(
            "a process id that is used again is another process",
            lock,
            'return bool(_process_start(int(holder["pid"])) != holder["process"])',
            "return False",
            (LOCK + "a_reused_process_id_gives_way",),
        ),
        Mutant(
            "a living run of another host is not dead",
            lock,
            "    if not is_here(holder):\n        return False",
            "    if not is_here(holder):\n        return True",
            (LOCK + "a_living_run_of_another_host_is_noticed_at_its_next_heartbeat",),
        ),
        Mutant(
            "one of several takes a dead run's lock over",
            lock,
            "return None if self._store.folder.put_new(claim, self._data()) else self._read(claim)",
            "return None",
            (SAFETIES + "of_two_runs_that_replace_a_dead_lock_at_once_one_gets_the_atlas",),
        ),
        Mutant(
            "only one's own lock is removed",
            lock,
            "        if self._mine():\n            for claim",
            "        if True:\n            for claim",
            (LOCK + "a_run_that_was_taken_over_notices_and_leaves_the_new_lock_alone",),
        ),
        Mutant(
            "sweep what killed runs left",
            lock,
            "self._store.folder.sweep(spare=LOCK)",
            "pass",
            (LOCK + "entering_sweeps_what_killed_runs_left",),
        ),
        Mutant(
            "a folder with other files is no place for an atlas",
            stage,
            "    if found:\n",
            "    if found is None:\n",
            ("pipeline/test_stage.py::test_storage_elsewhere_is_looked_at_too",),
        ),
        Mutant(
            "files that are replaced are not listed meanwhile",
            stage,
            "        if replaces:\n",
            "        if replaces is None:\n",
            (SAFETIES + "a_stage_is_not_listed_while_its_files_are_replaced",),
        ),
        Mutant(
            "stages made of an older plan go",
            stage,
            'if not replaces and before and before["digest"] != digest:',
            "if not stage:",
            (SAFETIES + "a_stage_made_of_an_older_one_is_not_listed",),
        ),
    ]


def _plain_data() -> list[Mutant]:
    parquet, index = "storage/parquet.py", "storage/index_bytes.py"
    return [
        Mutant(
            "extension types of Parquet and Arrow",
            parquet,
            "if found not in PLAIN:",
            "if not found:",
            (PARQUET + "a_type_of_a_library_is_refused_by_name",),
        ),
        Mutant(
            "extension types before the file is opened",
            parquet,
            "_refuse(_stored_schema(file))",
            "None",
            (PARQUET + "a_named_type_is_refused_and_never_built",),
        ),
        Mutant(
            "extension types that no name told",
            parquet,
            "_refuse(opened.schema_arrow)",
            "None",
            (PARQUET + "what_pyarrow_made_of_a_file_is_checked_too",),
        ),
        Mutant(
            "extension types of an Arrow file before it is opened",
            parquet,
            "_refuse(_bare_schema(pa.ipc.read_message(source).serialize().to_pybytes()))",
            "pa.ipc.read_message(source)",
            (PARQUET + "a_named_type_is_refused_and_never_built",),
        ),
        Mutant(
            "extension types of a stream before it is opened",
            parquet,
            "_refuse(_bare_schema(pa.ipc.read_message(data).serialize().to_pybytes()))",
            "None",
            (PARQUET + "a_named_type_is_refused_and_never_built",),
        ),
        Mutant(
            "a schema that is stored twice",
            parquet,
            "if footer.count(_SCHEMA) > 1 or _UNREAD in footer:",
            "if not footer:",
            (PARQUET + "a_schema_that_is_stored_twice_is_refused",),
        ),
        Mutant(
            "names of types where none belongs",
            parquet,
            "if _HIDDEN in message or message.count(_NAME) != named:",
            "if not message:",
            (PARQUET + "the_words_where_no_type_belongs_are_refused",),
        ),
        Mutant(
            "base64 that two readers could read differently",
            parquet,
            "base64.b64decode(text, validate=True)",
            "base64.b64decode(text)",
            (PARQUET + "a_schema_that_two_readers_could_read_differently_is_refused",),
        ),
        Mutant(
            "page checksums are written",
            parquet,
            "write_page_checksum=True",
            "write_page_checksum=False",
            (SAFETIES + "a_flipped_bit_of_a_table_is_found_without_its_hash",),
        ),
        Mutant(
            "page checksums are read",
            parquet,
            "pq.ParquetFile(file, page_checksum_verification=True)",
            "pq.ParquetFile(file, page_checksum_verification=False)",
            ("sources/test_parquet.py::test_damage_is_told_apart_from_a_sound_file",),
        ),
        Mutant(
            "bytes of an index before FAISS reads them",
            "search_index.py",
            'check_index(mmap(file.fileno(), 0, access=ACCESS_READ) if path.stat().st_size else b"", rows, dim)',
            "file.read(1)",
            ("test_search_index.py::test_a_file_that_is_no_index_is_never_opened",),
        ),
        Mutant(
            "rules of an index's bytes",
            index,
            "if not is_so:",
            "if is_so is None:",
            (BYTES + "neither_more_nor_less_passes",),
        ),
        Mutant(
            "no lists on disk in an index",
            index,
            '_require(kind == b"ilar",',
            "_require(len(kind) > 0,",
            (BYTES + "lists_on_disk_are_refused",),
        ),
        Mutant(
            "rows of an index are there",
            index,
            "_require(bool((rows < total).all()),",
            "_require(total >= 0,",
            (BYTES + "a_row_that_is_not_there_is_refused",),
        ),
        Mutant(
            "a model's weights are safetensors",
            "encoders/transformer/checkpoint.py",
            'weights = sorted(path.glob("*.safetensors"))',
            'weights = sorted([*path.glob("*.safetensors"), *path.glob("*.bin")])',
            (CHECKPOINT + "pickled_weights_are_refused_and_never_opened",),
        ),
        Mutant(
            "a model brings no code of its own",
            "encoders/transformer/checkpoint.py",
            'for key in ("auto_map", "quantization_config"):',
            "for key in ():",
            (CHECKPOINT + "code_of_the_model_itself_is_refused",),
        ),
        Mutant(
            "no adapter that names another model",
            "encoders/transformer/checkpoint.py",
            "if adapter.exists():",
            "if adapter is None:",
            (CHECKPOINT + "an_adapter_which_names_another_model_is_refused",),
        ),
        Mutant(
            "no index that names other weights",
            "encoders/transformer/checkpoint.py",
            "if not named <= weights:",
            "if not weights:",
            (CHECKPOINT + "weights_that_an_index_names_elsewhere_are_refused",),
        ),
        Mutant(
            "the packaged model is the published one",
            "encoders/transformer/checkpoint.py",
            "if model == PACKAGED and digest != _PACKAGED_SHA256:",
            "if digest is None:",
            (CHECKPOINT + "the_packaged_model_is_the_published_one_or_refused",),
        ),
    ]


def _input() -> list[Mutant]:
    compression, lines, texts = "sources/compression.py", "sources/lines.py", "sources/values/texts.py"
    images, fields = "sources/images.py", "sources/test_fields.py::test_"
    return [
        Mutant(
            "the tail of a gzip file",
            "sources/scan.py",
            'for _ in decompress(self._file, "gzip", tail):',
            "for _ in ():",
            (INPUT + "7_damaged_files_are_found_before_an_encoder_is_loaded",),
        ),
        Mutant(
            "the end of compressed data",
            compression,
            'raise DamagedError(f"the {compression} data is truncated")',
            "return",
            ("sources/test_compression.py::test_a_cut_file_is_damaged",),
        ),
        Mutant(
            "the trailer behind a seek point",
            compression,
            'raise DamagedError("the gzip data is truncated within its trailer")',
            'return b""',
            ("sources/test_compression.py::test_a_trailer_cut_off_behind_a_seek_point_is_damage",),
        ),
        Mutant(
            "memory of an xz decoder",
            compression,
            "lzma.LZMADecompressor(lzma.FORMAT_XZ, _MOST_MEMORY)",
            "lzma.LZMADecompressor(lzma.FORMAT_XZ)",
            (SAFETIES + "an_xz_file_that_wants_gigabytes_is_refused",),
        ),
        Mutant(
            "checksum of a shard's rows",
            "sources/shards.py",
            "if size != shard.length or checksum != shard.crc32:",
            "if size < 0:",
            ("sources/test_shards.py::test_a_changed_row_is_noticed_by_its_shard_alone",),
        ),
        Mutant(
            "length of a line",
            lines,
            "yield None if overlong or len(line) > limit else line",
            "yield line",
            ("sources/test_lines.py::test_edges",),
        ),
        Mutant(
            "memory of a line that is too long",
            lines,
            '            observe(rest)\n            rest, overlong = b"", overlong or bool(rest.strip(b"\\0"))',
            "            pass",
            ("sources/test_lines.py::test_the_memory_of_a_line_that_is_too_long_is_not_held",),
        ),
        Mutant(
            "length of a CSV row",
            "sources/csv.py",
            "while len(first) + self._size <= MAX_LINE:",
            "while True:",
            (SAFETIES + "a_quote_left_open_holds_a_bounded_number_of_lines",),
        ),
        Mutant(
            "control characters in ids",
            texts,
            " or _CONTROL.search(value)",
            "",
            (fields + "a_bad_line_gets_its_reason",),
        ),
        Mutant(
            "length of ids",
            texts,
            " or len(value) > MAX_ID_CHARS",
            "",
            (fields + "a_bad_line_gets_its_reason",),
        ),
        Mutant(
            "control characters in texts and names",
            "sources/values/markup.py",
            'return text if text.isprintable() else _CONTROL.sub(" ", text)',
            "return text",
            ("sources/values/test_markup.py::test_no_text_has_a_control_character",),
        ),
        Mutant(
            "length of texts",
            texts,
            "return (value[:MAX_TEXT_CHARS],)",
            "return (value,)",
            (fields + "a_title_may_be_a_number_and_is_cut_where_no_encoder_reads_on",),
        ),
        Mutant(
            "nesting and length of lists written as text",
            "sources/cells.py",
            "if len(text) > MAX_LIST_CHARS or _depth(text) > MAX_NESTING:",
            "if not text:",
            (SAFETIES + "a_cell_nested_without_end_is_text",),
        ),
        Mutant(
            "nesting of JSON with NaN",
            "sources/jsonl.py",
            "except (ValueError, TypeError, RecursionError):",
            "except (ValueError, TypeError):",
            (SAFETIES + "json_nested_without_end_is_a_reject",),
        ),
        Mutant(
            "images stay inside their folder",
            images,
            "if not path.is_relative_to(root):",
            "if root is None:",
            ("sources/test_images.py::test_a_name_cannot_lead_out_of_the_folder",),
        ),
        Mutant(
            "pixels of an image",
            images,
            "if image.width * image.height > MOST_PIXELS:",
            "if image is None:",
            ("sources/test_images.py::test_the_size_of_an_image_is_bounded",),
        ),
        Mutant(
            "bytes of an image",
            images,
            "if path.stat().st_size > MOST_BYTES:",
            "if path is None:",
            ("sources/test_images.py::test_the_size_of_an_image_is_bounded",),
        ),
        Mutant(
            "formats of an image",
            images,
            "formats=FORMATS",
            "formats=None",
            ("sources/test_images.py::test_what_cannot_be_read_is_said_to_be_so",),
        ),
        Mutant(
            "the host of a link is the recipe's",
            "sources/values/links.py",
            "if not _FIXED.match(template):",
            "if not template:",
            ("sources/values/test_links.py::test_a_template_that_leads_elsewhere_is_refused",),
        ),
        Mutant(
            "values of a link are encoded",
            "sources/values/links.py",
            'quote(str(value), safe="")',
            "str(value)",
            ("sources/values/test_links.py::test_no_id_leaves_the_host_of_the_recipe",),
        ),
        Mutant(
            "given vectors are finite in float16",
            "encoders/given.py",
            "(np.abs(found) <= MOST).all() and self._kept(found).any()",
            "True",
            (
                "encoders/test_given.py::"
                "test_a_vector_of_another_length_or_with_a_number_that_float16_lacks_is_unusable",
            ),
        ),
    ]


def _pipeline() -> list[Mutant]:
    plan, embed, worker = "pipeline/plan/plan.py", "pipeline/embed/embed.py", "pipeline/embed/worker.py"
    return [
        Mutant(
            "duplicates",
            "pipeline/plan/duplicates.py",
            'frame["later"] = frame.duplicated(_ID)',
            'frame["later"] = False',
            ("pipeline/plan/test_part.py::test_duplicates_are_those_a_dictionary_finds",),
        ),
        Mutant(
            "all 128 bits of an id's digest",
            "pipeline/plan/duplicates.py",
            '_ID = ["high", "low"]',
            '_ID = ["high"]',
            (SAFETIES + "ids_are_compared_by_all_bits_of_their_digests",),
        ),
        Mutant(
            "limit of rejects",
            plan,
            "if rejected <= most * read:",
            "if read >= 0:",
            (INPUT + "6_too_many_rejects_stop_the_run_with_a_table_of_reasons",),
        ),
        Mutant(
            "limit of rejects where the plan is there already",
            plan,
            '_refuse_rejects(entry["counts"], run.options.max_rejects)',
            "pass",
            (SAFETIES + "a_plan_that_is_there_is_held_against_a_lower_limit_of_rejects",),
        ),
        Mutant(
            "fingerprint of the recipe",
            plan,
            "    if changes:\n",
            "    if changes is None:\n",
            (RUNS + "5_another_recipe_never_mixes_in",),
        ),
        Mutant(
            "the same input",
            plan,
            "if before != urls and has_vectors(store):",
            "if before is None:",
            (RUNS + "5_other_input_never_mixes_in",),
        ),
        Mutant(
            "an input file that changed is planned again",
            "pipeline/plan/inputs.py",
            'return url in known and [known[url]["bytes"], known[url]["modified"]] == list(input_state(url))',
            "return url in known and input_state(url) is not None",
            (SAFETIES + "an_input_file_that_changed_is_planned_again",),
        ),
        Mutant(
            "hash at seal of what an earlier run committed",
            embed,
            "    _prove(store, earlier, run.runner)\n",
            "",
            (DATA + "an_altered_shard_is_named_before_it_is_sealed_again",),
        ),
        Mutant(
            "receipts: what is committed is not done again",
            embed,
            "earlier = _committed_shards(store, {shard.name for shard in shards})",
            "earlier: dict[str, Receipt] = {}",
            (RUNS + "4_resume_redoes_only_what_is_not_done",),
        ),
        Mutant(
            "kept rows are those of the plan",
            embed,
            'if total["rows"] != counts["read"] or total["kept"] != counts["kept"]:',
            "if not total:",
            (SAFETIES + "receipts_that_do_not_add_up_are_not_sealed",),
        ),
        Mutant(
            "read = kept + rejected + duplicates in each shard",
            worker,
            "if table.num_rows != rows or records.num_rows + sum(reasons.values()) != rows:",
            "if rows < 0:",
            (SAFETIES + "a_shard_that_lost_a_row_is_not_committed",),
        ),
        Mutant(
            "vectors are finite and of the encoder's width",
            worker,
            "if vectors.shape != (records.num_rows, self.encoder.dim) or not finite:",
            "if vectors is None:",
            (SAFETIES + "vectors_that_are_not_finite_are_not_committed",),
        ),
        Mutant(
            "one encoder per atlas",
            worker,
            "        if changes:\n",
            "        if changes is None:\n",
            (RUNS + "5_a_model_may_move_but_not_change",),
        ),
        Mutant(
            "the same weights for a finished atlas",
            embed,
            'if weights != made_with.get("weights_sha256"):',
            "if made_with is None:",
            (SAFETIES + "a_finished_atlas_refuses_other_weights",),
        ),
        Mutant(
            "limit of attempts at a shard",
            worker,
            "if count > MAX_ATTEMPTS:",
            "if count < 0:",
            (SAFETIES + "a_shard_that_always_kills_its_worker_is_given_up",),
        ),
        Mutant(
            "verify names what was touched",
            "pipeline/explore/status.py",
            "    if broken:\n",
            "    if broken is None:\n",
            (DATA + "verify_names_what_was_touched",),
        ),
        Mutant(
            "verify counts the rows",
            "pipeline/explore/status.py",
            "wrong = [what for what in expected if expected[what] != found[what]]",
            "wrong: list[str] = []",
            (SAFETIES + "verify_counts_rows_in_the_files_themselves",),
        ),
        Mutant(
            "new videos are encoded by the atlas's encoder",
            "pipeline/embed/encoder.py",
            "if there.get(key) != encoder.identity.get(key):",
            "if there is None:",
            ("pipeline/explore/test_assign.py::test_another_encoder_is_refused",),
        ),
        Mutant(
            "rejects are escaped",
            "pipeline/embed/rows.py",
            "ensure_ascii=True",
            "ensure_ascii=False",
            ("pipeline/embed/test_rows.py::test_a_rejected_line_is_bounded_and_cannot_steer_a_terminal",),
        ),
        Mutant(
            "rejects are bounded",
            "pipeline/embed/rows.py",
            '.decode("utf-8", "backslashreplace")[:RAW_CHARS]',
            '.decode("utf-8", "backslashreplace")',
            ("pipeline/embed/test_rows.py::test_a_rejected_line_is_bounded_and_cannot_steer_a_terminal",),
        ),
    ]


def _people() -> list[Mutant]:
    site, chat, templates = "app/site.py", "pipeline/names/chat.py", "views/templates/"
    return [
        Mutant(
            "policy of the report",
            f"{templates}report.html.jinja",
            "script-src {{ script_hashes }}",
            "script-src 'unsafe-inline'",
            (REPORT + "the_policy_allows_exactly_the_one_script_and_the_one_style_sheet",),
        ),
        Mutant(
            "policy of the map",
            f"{templates}map_page.html.jinja",
            "default-src 'none'; style-src",
            "default-src *; style-src",
            (SITE + "it_is_closed",),
        ),
        Mutant(
            "policy of the app",
            site,
            "\"default-src 'none'; style-src 'self';",
            "\"default-src *; style-src 'self';",
            (SITE + "it_is_closed",),
        ),
        Mutant(
            "sandbox of the map in the app",
            "app/pages.py",
            "; sandbox {sandbox}; frame-ancestors 'self'",
            "; frame-ancestors 'self'",
            (SITE + "it_is_closed",),
        ),
        Mutant(
            "texts are escaped in the report",
            "views/text.py",
            "autoescape=True",
            "autoescape=False",
            (REPORT + "hostile_text_reaches_the_reader_only_as_text",),
        ),
        Mutant(
            "texts are escaped in the app",
            "views/text.py",
            "autoescape=True",
            "autoescape=False",
            (SITE + "what_is_not_there_is_said",),
        ),
        Mutant(
            "the app answers to this machine's names only",
            site,
            "allowed_hosts=list(hosts)",
            'allowed_hosts=["*"]',
            (SITE + "it_is_closed",),
        ),
        Mutant(
            "the app listens on loopback",
            "cli/explore.py",
            '= "127.0.0.1"',
            '= "0.0.0.0"',
            (SAFETIES + "the_app_listens_on_this_machine_alone",),
        ),
        Mutant(
            "Ray listens on loopback",
            "runners/on_ray.py",
            '_listen_beyond_loopback(address != "local")',
            "_listen_beyond_loopback(True)",
            (DATA + "10_nothing_listens_on_the_network",),
        ),
        Mutant(
            "control characters and escapes in pages",
            "views/text.py",
            '_NOISE.sub("", text)',
            "text",
            (REPORT + "no_control_character_or_direction_override_survives",),
        ),
        Mutant(
            "markup in the data card",
            "views/text.py",
            r'return _MARKS.sub(r"\\\g<0>", line)',
            "return line",
            ("views/test_text.py::test_signs_of_markdown_are_escaped",),
        ),
        Mutant(
            "formulas in tables for spreadsheets",
            "pipeline/explore/listing.py",
            "if isinstance(cell, str) and _FORMULA.match(cell)",
            "if cell is None and _FORMULA.match(cell)",
            (SITE + "the_table_of_a_list_is_safe_to_open",),
        ),
        Mutant(
            "a message cannot steer the terminal",
            "cli/exit.py",
            'sign if sign.isprintable() else " "',
            "sign",
            ("cli/test_exit.py::test_a_message_cannot_steer_the_terminal",),
        ),
        Mutant(
            "titles stay on this machine",
            chat,
            "if not is_local and not allow_remote:",
            "if not host:",
            (CHAT + "another_machine_needs_permission",),
        ),
        Mutant(
            "no redirect is followed",
            chat,
            "build_opener(_NoRedirects,",
            "build_opener(",
            (CHAT + "no_redirect_is_followed",),
        ),
        Mutant(
            "an answer without end is given up",
            chat,
            "if sum(map(len, parts)) > MOST_BYTES:",
            "if not parts:",
            (CHAT + "an_answer_without_end_is_given_up",),
        ),
        Mutant(
            "the key is never shown",
            chat,
            'text.replace(self.key, "***") if self.key else text',
            "text",
            (CHAT + "the_key_is_sent_and_never_shown",),
        ),
    ]


MUTANTS = (*_storage(), *_lock(), *_plain_data(), *_input(), *_pipeline(), *_people())
