"""A process has one temporary folder, which goes with it."""

from prodmatch.catalogue.mirror import remove_temporary_folder, temporary_folder


def test_the_folder_of_a_process_goes_with_all_that_is_in_it() -> None:
    folder = temporary_folder()
    (folder / "mirror").mkdir()
    assert folder.stat().st_mode & 0o077 == 0
    assert temporary_folder() == folder
    remove_temporary_folder()
    assert not folder.exists()
    remove_temporary_folder()
    assert temporary_folder() != folder
    remove_temporary_folder()
