"""The only module that talks to Kaggle."""

from pathlib import Path

from cifar10.config import InputError


def download(competition: str, folder: Path) -> Path:
    """Download all files of a competition as one zip into `folder` and return its path.

    Raises:
        InputError: no credentials, or Kaggle refused; the message says what to do.
    """
    try:
        from kaggle.api.kaggle_api_extended import KaggleApi  # here: importing the package may call the network

        api = KaggleApi()
        api.authenticate()
        folder.mkdir(parents=True, exist_ok=True)
        api.competition_download_files(competition, path=str(folder), quiet=False)
    except SystemExit:  # the client prints its help and leaves when it finds no credentials
        raise InputError(
            "kaggle: no credentials; put a token into KAGGLE_API_TOKEN or ~/.kaggle/access_token"
        ) from None
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"kaggle: {competition} could not be downloaded ({reason})") from None
    archive = folder / f"{competition}.zip"
    if not archive.is_file():
        raise InputError(f"kaggle: {competition} sent no {archive.name}; try again")
    return archive
